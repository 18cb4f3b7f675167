# Sums over a lot of data: any byte that is wrong anywhere shows.
seq 200000 > data
md5sum data; sha1sum data; sha256sum data; sha512sum data; sha3sum data; crc32 data 2> /dev/null | cut -c1-8
md5sum data > sums; md5sum -c sums; echo x >> data; md5sum -c sums; echo $?
dd if=data bs=4096 skip=10 count=100 2> /dev/null | md5sum; dd if=data bs=1 skip=12345 count=5000 2> /dev/null | md5sum
dd if=/dev/zero of=data bs=512 seek=100 count=10 conv=notrunc 2> /dev/null; md5sum data; cat data data data | md5sum; cp data copy; md5sum < copy
mv copy moved; head -c 700000 moved | tail -c 100000 | md5sum; split=1; i=0; while [ $i -lt 20 ]; do dd if=moved bs=65536 skip=$i count=1 2> /dev/null; i=$((i + 1)); done | md5sum
