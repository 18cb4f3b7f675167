# Files that are used while their names go.
echo content > f; exec 3< f; rm f; cat <&3; exec 3<&-; ls
echo old > f; exec 3< f; echo new > g; mv g f; cat <&3; cat f; exec 3<&-
exec 4> h; rm h; echo into nothing >&4; exec 4>&-; ls; mkdir d; cd d; rmdir ../d; ls; echo x > y; echo $?; mkdir z; echo $?; cd ..; ls
seq 3 > a; exec 5<> a; : > a; echo rest >&5; exec 5>&-; od -c a; echo 12345 > t; exec 6>> t; : > t; echo app >&6; cat t; exec 6>&-
mkdir m; echo 1 > m/x; mv m n; cat n/x; mkdir -p o/p; mv n o/p; find o | sort; mv o/p/n .; mv n/x n/y; ls n; mv -f n/y f; cat f
(cat > late) < /dev/null; echo one > r; while read -r line; do echo "$line" >> r; [ "$(wc -l < r)" -gt 5 ] && break; done < r; wc -l < r
