# sed: addresses, groups, hold space, in place.
seq 10 | sed -n '3,5p;$p'
seq 5 | sed '2d;s/4/four/;$a\
the end'
echo 'hello world' | sed -E 's/(\w+) (\w+)/\2 \1/;y/abc/xyz/;s/o/0/2'
seq 4 | sed -n '1!G;h;$p'
printf 'a\nb\nc\n' > f; sed -i 's/b/B/' f; cat f; sed -n '/a/,/B/p' f | wc -l
sed -n '$=' f; sed 'N;s/\n/-/' f; sed '/B/{i\
before
}' f; echo aaa | sed 's/a/b/3;s/a/c/'; sed -e 1q f; sed -n 'l' f
seq 1000 | sed -n '/9$/p' | sed 's/^/x/;s/$/y/' | md5sum
sed 's/a/x/w written' f > /dev/null; cat written; sed --version 2>&1 | head -n 1; sed x nosuch; echo $?
