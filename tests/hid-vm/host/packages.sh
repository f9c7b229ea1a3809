# What the machine needs, and what goes into the guest. Sourced by ../run.
#
# qemu is installed. The kernel, busybox and libfido2's tools are only unpacked below target/hid-vm: they are the guest's,
# and would change the machine.

guest_tree=$work/debian

install_packages() {
    [ "$(uname -m)" = x86_64 ] || cannot_run "the guest is x86-64, and its programs are built here, on $(uname -m)"
    command -v apt-get >/dev/null || cannot_run "this is not Debian: no apt-get to fetch Debian's kernel with"
    local missing=()
    command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
    command -v cpio >/dev/null || missing+=(cpio)
    command -v xz >/dev/null || missing+=(xz-utils)
    [ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
    unpack_guest
}

install() { # PACKAGE…
    update_lists
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
        { tail -n 5 "$work/apt.log" >&2; cannot_run "apt-get install $* failed"; }
}

update_lists() { as_root apt-get update -qq || cannot_run "apt-get update failed"; }

as_root() { # COMMAND…
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n true 2>/dev/null || cannot_run "not root, and no sudo without a password, for: $*"
        sudo -n --preserve-env=DEBIAN_FRONTEND "$@"
    fi
}

# Downloads and unpacks, unless what has been unpacked before is what apt would download now.
unpack_guest() {
    local kernel packages wanted package
    kernel=$(newest_kernel)
    # Perhaps the lists are not there yet, as in an image of a container.
    [ -n "$kernel" ] || { update_lists && kernel=$(newest_kernel); }
    [ -n "$kernel" ] || cannot_run "apt knows no linux-image-cloud-amd64, Debian's kernel for virtual machines"
    packages=("$kernel" busybox-static fido2-tools libfido2-1 libcbor0.8)
    wanted=$(apt-get -qq download --print-uris "${packages[@]}") || cannot_run "apt knows not all of ${packages[*]}"
    [ "$wanted" = "$(cat "$guest_tree/contents" 2>/dev/null)" ] && return
    rm -rf "$guest_tree" "$work/debs"
    mkdir -p "$guest_tree" "$work/debs"
    # As root, apt would fetch as another user, who may not write there.
    (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}") ||
        cannot_run "apt-get download ${packages[*]} failed"
    for package in "$work"/debs/*.deb; do dpkg -x "$package" "$guest_tree"; done
    rm -rf "$work/debs"
    echo "$wanted" >"$guest_tree/contents"
}

newest_kernel() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n '0,/.*Depends: /s///p' | head -n 1; }

cannot_run() {
    printf '\n!!!! hid-vm: SKIPPED, nothing was tested on a real kernel: %s\n\n' "$*" >&2
    exit 77
}
