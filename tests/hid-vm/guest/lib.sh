# What the rows have in common. A row is a script that fails when a command does (`sh -eu`); what it prints is its log.

say() { echo "$*" >&3; } # goes into the table
fail() { echo "FAILED: $*"; exit 1; }
expect() { # WHAT-FOR FILE PATTERN: the file has a line with the pattern
    grep -q -- "$3" "$2" || { cat "$2"; fail "$1: no line matches '$3'"; }
}

# Runs a command until it succeeds, for at most half a minute: the guest can be slow.
wait_for() {
    local tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "waited too long for: $*"
        sleep 0.1
    done
}

# A software key as a USB device. Its file stays in /keys when it is pulled out.
plug_in() { # SERIAL [ARGUMENTS OF ctaphid…]
    local serial=$1
    shift
    ctaphid --uhid --state "/keys/$serial" "$@" &
    echo $! >"/tmp/$serial.pid"
    wait_for is_plugged_in "$serial"
}
# OpenSK, which is not ours. It forgets everything when it is pulled out.
plug_in_opensk() { # SERIAL
    conformance plug-in opensk --serial "$1" &
    echo $! >"/tmp/$1.pid"
    wait_for is_plugged_in "$1"
}
unplug() { # SERIAL
    kill "$(cat "/tmp/$1.pid")"
    wait_for is_unplugged "$1"
}
is_plugged_in() { [ -n "$(device_of "$1")" ]; }
is_unplugged() { ! is_plugged_in "$1"; }
device_of() { # SERIAL: its /dev/hidraw
    local uevent
    for uevent in /sys/class/hidraw/*/device/uevent; do
        # A YubiKey has no serial number on USB.
        if grep -qs -e "^HID_UNIQ=$1$" -e "^HID_PHYS=keywright/$1$" "$uevent"; then
            uevent=${uevent#/sys/class/hidraw/}
            echo "/dev/${uevent%%/*}"
        fi
    done
}
uevent_of() { cat "/sys/class/hidraw/$(basename "$(device_of "$1")")/device/uevent"; }

# The simulated tenant, with its files in the directory; and step 1.
tenant() { # DIRECTORY USERS
    keywright-rehearse --keep-serving --dir "$1" --users "$2" >"$1.tenant.log" 2>&1 &
    wait_for grep -qs graphEndpoint "$1/configs.json"
    # A key whose PIN has to be changed at first use would show nothing to the programs that look at it afterwards.
    sed -i 's/"useCTAP21Features": true/"useCTAP21Features": false/' "$1/configs.json"
    keywright-challenges --config "$1/configs.json" --out "$1/users.csv"
}

# Step 2.
register() { # DIRECTORY [ARGUMENTS…]
    local directory=$1
    shift
    keywright-register --config "$directory/configs.json" --in "$directory/users.csv" --out "$directory/keys.csv" \
        --keys usb --key-timeout 20 --yes --json "$@"
}

# A challenge or a user handle for fido2-cred and fido2-assert.
random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; echo; }

# The result file.
field() { # COLUMN FILE: of its first row
    awk -F , -v column="$1" 'NR == 1 { sub(/^#/, ""); for (i = 1; i <= NF; i++) if ($i == column) n = i }
        NR == 2 { print $n }' "$2"
}
registered_on() { # DIRECTORY SERIAL…: each of these keys is some user's
    local directory=$1 serial
    shift
    for serial in "$@"; do expect "a user with key $serial" "$directory/keys.csv" ",$serial,[0-9]*,registered,"; done
    [ "$(grep -c ,registered, "$directory/keys.csv")" -eq $# ] || fail "not $# users: $(cat "$directory/keys.csv")"
}

# The table of tests/conformance. Real keys give up on a message whose packets come more than some 100 ms apart, and
# emulated in a crowd they sometimes do: what fails among others is checked again alone.
conformance_table() { # BACKEND [ARGUMENTS…]
    local backend=$1 name
    shift
    if ! conformance --backend "$backend" "$@" | tee /tmp/table; then
        sed -n 's/^.* s  \(.*\): \(FAILS\|UNSUPPORTED\): .*/\1/p' /tmp/table | sort -u >/tmp/again
        [ "$(wc -l </tmp/again)" -le 5 ] || fail "more than 5 checks fail"
        while read -r name; do
            say "again, alone: $name"
            conformance --backend "$backend" "$@" --jobs 1 --only "$name" </dev/null
        done </tmp/again
    fi
    say "$(grep "^$backend: .* pass$" /tmp/table)"
}
