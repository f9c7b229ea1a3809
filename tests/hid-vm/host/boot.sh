# Boots the image, and judges what the guest says. Sourced by ../run.

# However slow the machine, no run is longer than this.
boot_limit=${HID_VM_LIMIT:-900}

qemu() { # IMAGE KERNEL-ARGUMENTS…
    local image=$1 kernel
    shift
    kernel=$(ls "$guest_tree"/boot/vmlinuz-* | head -n 1)
    # No KVM: it is not there where this has to run, and the same everywhere is worth more than speed. qemu translates a
    # program once if it is always at the same addresses, and emulated mitigations cost more than the work they protect.
    qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$kernel" -initrd "$image" -append "console=ttyS0 quiet panic=-1 norandmaps mitigations=off $*"
}

boot_shell() { # IMAGE
    [ -t 0 ] || { echo "hid-vm: --shell needs a terminal" >&2; exit 64; }
    echo "hid-vm: \`exit\` powers the guest off; \`. /lib.sh\` for the rows' helpers, \`ls /rows\`" >&2
    local settings
    settings=$(stty -g)
    stty raw -echo
    qemu "$1" hid_vm=shell || true
    stty "$settings"
}

# The guest prefixes what is for us; see guest/init. Everything it says is in console.log.
boot_rows() { # IMAGE KERNEL-ARGUMENT ROW…
    local image=$1 argument=$2 log=$work/console.log begun=$EPOCHREALTIME wanted
    shift 2
    wanted=$(IFS=,; echo "$*")
    export -f qemu
    export guest_tree
    timeout "$boot_limit" bash -c 'qemu "$@"' qemu "$image" "hid_vm=$wanted" "$argument" </dev/null 2>&1 | tr -d '\r' | tee "$log" |
        sed -un "/^hid-vm: end$/d; s/^hid-vm: //p" || true
    local ok failed
    ok=$(grep -c '^hid-vm: ok ' "$log" || true)
    failed=$(grep -c '^hid-vm: FAILED ' "$log" || true)
    printf 'hid-vm: %-9s %6.1f s\n' guest "$(bc_sub "$EPOCHREALTIME" "$begun")"
    if ! grep -q '^hid-vm: end$' "$log"; then
        echo "hid-vm: FAILED: the guest did not come to its end within $boot_limit s; its last words (all of them: $log):" >&2
        tail -n 60 "$log" >&2
        exit 1
    fi
    echo "hid-vm: $ok of $# rows ok, $failed failed"
    [ "$ok" -eq $# ] || exit 1
}
