# Pipes: length, amount, status, and writers whose reader has gone.
seq 1 1000 | cat | cat | cat | grep 7 | sed 's/7/seven/' | sort | uniq | tail -n 50 | head -n 5 | wc -l
seq 1 100000 | cat | cat | md5sum
yes | head -n 3
yes | head -c 100000 | wc -c
false | true; echo "status $?"
true | false; echo "status $?"
! true | false; echo "status $?"
echo one | { read -r word; echo "read $word"; cat; } | tr a-z A-Z
{ echo out; echo err >&2; } 2>&1 | sort
(exit 3) | (cat; exit 4); echo "status $?"
i=0; while [ $i -lt 50 ]; do echo $i | cat | cat > /dev/null; i=$((i + 1)); done; echo "$i pipelines"
dd if=/dev/zero bs=1000 count=300 2> /dev/null | dd bs=7777 2> /dev/null | wc -c
cat < /dev/null | wc -c
