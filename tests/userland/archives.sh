# tar, gzip and their relatives: there and back, the same bytes.
mkdir -p t/sub; seq 5000 > t/numbers; echo small > t/sub/small; ln -s numbers t/link; ln t/numbers t/sub/hard; chmod 750 t/sub
find t | while read -r f; do touch -h -d '2001-01-01 00:00:00' "$f"; done
tar cf t.tar t/numbers t/sub/small t/link; tar tf t.tar; wc -c < t.tar; mkdir x; tar xf t.tar -C x; diff -r t/numbers x/t/numbers && readlink x/t/link
tar czf t.tgz t; tar tzf t.tgz | sort; rm -r x; mkdir x; tar xzf t.tgz -C x; cmp t/sub/hard x/t/sub/hard && echo same; stat -c '%a' x/t/sub; stat -c %Y x/t/numbers
gzip -c < t/numbers > n.gz; md5sum n.gz; gunzip -c n.gz | cmp - t/numbers && echo gzip; zcat n.gz | wc -l; gzip -t n.gz; echo $?
cp t/numbers n; gzip n; ls n*; gunzip -f n.gz; wc -c < n; bzip2 -k n 2> /dev/null; bzcat n.bz2 2> /dev/null | cmp - n && echo bzip2
head -c 100 n | gunzip; echo $?; (cd t; find . | sort | cpio -o -H newc 2> /dev/null) > t.cpio; mkdir y; (cd y; cpio -id < ../t.cpio 2> /dev/null); diff -r t y && echo cpio
head -c 300000 /dev/zero | gzip | gunzip | wc -c; seq 100000 | gzip -9 | gzip -d | md5sum; tar xf nosuch.tar; echo $?
tar cf - t | tar tf - | wc -l; tar cf - t | (mkdir z; cd z; tar xf -); ls z/t
seq 300 > u; uuencode u u > u.uu; mkdir w; (cd w; uudecode ../u.uu); cmp u w/u && echo uu; base64 u | base64 -d | cmp - u && echo base64
