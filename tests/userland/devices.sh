# The devices of memory.
head -c 10 /dev/zero | od -An -tx1; cat /dev/null | wc -c; echo gone > /dev/null; echo $?
head -c 100 /dev/urandom | wc -c; head -c 100 /dev/random | wc -c; a=$(head -c 16 /dev/urandom | md5sum); b=$(head -c 16 /dev/urandom | md5sum); [ "$a" = "$b" ] || echo differ
echo full > /dev/full; echo $?; head -c 3 /dev/full | od -An -tx1; dd if=/dev/zero of=/dev/null bs=100000 count=10 2> /dev/null; echo $?
for d in null zero full random urandom tty console; do stat -c '%n %F %t %T' /dev/$d; done; ls /dev/nosuch; echo $?
: > /dev/null; [ -c /dev/null ]; echo $?; cp /dev/null f; stat -c %s f; echo x | tee /dev/null; { echo via > /dev/stdout; echo err 2> /dev/null > /dev/stderr; } | cat; echo x | cat /dev/stdin; echo x | cat -; echo x | tee /dev/stdout | wc -l; ls -l /dev/fd > /dev/null; echo $?
head -c 200000 /dev/urandom | gzip | gunzip | wc -c; dd if=/dev/zero bs=1 count=5 2> /dev/null | wc -c; cmp -n 1000 /dev/zero /dev/zero; echo $?
