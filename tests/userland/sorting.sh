# A lot of sorting, of the same numbers in several orders.
awk 'BEGIN { x = 1; for (i = 0; i < 20000; i++) { x = (x * 1103515245 + 12345) % 2147483648; print x } }' > random
md5sum random; sort random | md5sum; sort -n random | md5sum; sort -rn random | head -n 3; sort -n random | sort -c -n && echo sorted
sort random | uniq -d | wc -l; sort -n random | tail -n 1; sort -u random | wc -l; sort -k1.3,1.5 random | md5sum; cut -c1 random | sort | uniq -c | awk '{ print $2, $1 }'
