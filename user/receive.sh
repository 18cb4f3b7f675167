#!/bin/sh
# Puts what tools/push sends over the second serial line into the file system.
#
# A request is a line "push SIZE SHA256" and a tar archive of so many bytes; the answer is a line,
# "ok" or "error" and why. A sender that falls silent for five seconds is given up.
#
# receive [LINE [ROOT]]; where there is no such line it has nothing to do.
line=${1:-/dev/ttyS1}
root=${2:-/}
[ -c "$line" ] || exit 0
archive=/tmp/.received.$$
trap 'rm -f "$archive" "$archive.why"' EXIT

answer()
{
    echo "$*" >&3
}

take()
{
    stty raw -echo min 0 time 50 <&3
    head -c "$1" <&3 >"$archive"
    stty raw -echo min 1 time 0 <&3
}

unpack()
{
    if ! [ "$(($(wc -c <"$archive")))" = "$1" ]; then
        answer "error $(($(wc -c <"$archive"))) of $1 bytes came"
    elif ! [ "$(sha256sum <"$archive" | cut -d ' ' -f 1)" = "$2" ]; then
        answer "error the checksum differs"
    elif ! tar -x -f "$archive" -C "$root" 2>"$archive.why"; then
        answer "error $(tail -n 1 "$archive.why")"
    else
        answer ok
    fi
}

exec 3<>"$line" || exit 1
stty raw -echo min 1 time 0 <&3
while read -r word size sum <&3; do
    if [ "$word" = push ]; then
        take "$size"
        unpack "$size" "$sum"
        rm -f "$archive" "$archive.why"
    fi
done
exit 1
