# ed, patch and diff.
seq 10 > f; cp f g; printf '2d\n3a\nnew\n.\nw\nq\n' | ed -s g > /dev/null 2>&1; printf '5s/5/five/\nw\nq\n' | ed g; cat g | head -n 6
diff -u f g > p; echo $?; cp f h; patch h p; cmp g h && echo patched; patch -R h p; cmp f h && echo unpatched; sed 's/1/one/' f > i; diff f i; patch i p; echo $?
mkdir a b; echo 1 > a/x; echo 2 > b/x; echo 3 > b/y; diff -r a b; echo $?; diff -q f g; cmp -l f g 2> /dev/null | head -n 3; cmp -s f f; echo $?
