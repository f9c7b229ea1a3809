# The guest's whole file system: an initramfs. Sourced by ../run.

# With the features of `cargo test --workspace`, so that nothing that it has built is built again.
build_programs() {
    (cd "$root" && cargo build --locked --quiet --workspace --bins --example ctaphid --example keys)
}

make_image() { # FILE
    local tree=$work/image program module
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,dev,proc,sys,tmp,keys,modules,lib}
    for program in $("$guest_tree/bin/busybox" --list); do ln -s busybox "$tree/bin/$program"; done
    cp --remove-destination "$guest_tree/bin/busybox" "$tree/bin/busybox"
    for program in "$target"/debug/{keywright-{challenges,register,rehearse},conformance,examples/{ctaphid,keys}} \
        "$guest_tree"/usr/bin/fido2-{token,cred,assert}; do
        install_program "$program" "$tree"
    done
    for module in hid uhid hid-generic; do install_module "$module" "$tree/modules"; done
    cp -r "$here/guest/." "$tree/"
    # Not compressed: the guest would take longer to unpack it than qemu takes to load it.
    (cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$1"
}

# With the libraries it needs, where it looks for them.
install_program() { # FILE TREE
    local library libraries=$guest_tree/usr/lib/x86_64-linux-gnu
    strip -s -o "$2/bin/$(basename "$1")" "$1"
    for library in $(LD_LIBRARY_PATH=$libraries ldd "$1" | grep -o '/[^ ]*'); do
        local place=${library#"$guest_tree"}
        [ -e "$2$place" ] && continue
        mkdir -p "$2$(dirname "$place")"
        cp -L "$library" "$2$place"
    done
}

install_module() { # NAME DIRECTORY
    local file
    file=$(find "$guest_tree" -name "$1.ko" -o -name "$1.ko.xz")
    case $file in
    *.ko) cp "$file" "$2/" ;;
    *.ko.xz) xz -dc "$file" >"$2/$1.ko" ;;
    *) echo "hid-vm: the kernel package has no module $1" >&2; return 1 ;;
    esac
}
