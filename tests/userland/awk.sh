# awk: fields, arrays, functions, pipes of its own.
seq 10 | awk '{ s += $1; q += $1 * $1 } END { print s, q, s / NR }'
awk 'BEGIN { for (i = 0; i < 5; i++) a[i] = i * i; for (i = 4; i >= 0; i--) printf "%d ", a[i]; print "" }'
printf 'a:1\nb:2\na:3\n' | awk -F: '{ t[$1] += $2 } END { for (k in t) print k, t[k] | "sort" }'
awk 'BEGIN { print substr("hello", 2, 3), index("hello", "l"), length("hello"), toupper("x"), sprintf("%05.2f", 3.14159) }'
awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(18) }'
echo 'one two three' | awk '{ $2 = "2"; print; print NF, $NF; gsub(/e/, "E"); print }'
awk 'BEGIN { while (("echo a; echo b" | getline line) > 0) print "got " line }'
awk 'BEGIN { printf "%s\n", 2 ^ 40; print int(7.9), 7 % 3, exp(0), sqrt(16); exit 3 }'; echo $?
seq 2000 | awk '$1 % 7 == 0 && /1/ { n++ } END { print n }'
printf 'x y\n' > in; awk '{ print FILENAME, FNR, NR }' in in; awk 'BEGIN { print ENVIRON["HOME"] != "" , ARGC }' HOME=1
awk 'BEGIN { split("a-b-c", p, "-"); print p[3] p[1]; print match("foobar", /o+/), RSTART, RLENGTH; system("echo from system") }'
