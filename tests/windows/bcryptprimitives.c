/* Wine before 9 has no bcryptprimitives.dll, of which Rust's standard library needs this one function. Real Windows has
 * it; this stand-in is for running the rehearsal under Wine only, and is put beside the programs there. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length > 0x10000000 ? 0x10000000 : (ULONG)length;
        if (!RtlGenRandom(data, part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}
