# Here-documents: expanded, literal, without tabs, nested, large.
name=value
cat <<END
name is $name, sum is $((2 + 3)), command says $(echo hello)
a \$ stays, a \\ too
END
cat <<'END'
name is $name
END
cat <<-END
	tabs are gone
		all of them
	END
cat <<ONE; cat <<TWO
first
ONE
second
TWO
while read -r a b; do echo "$b-$a"; done <<END
1 2
3 4
END
text=$(seq 1 20000)
cat <<END | md5sum
$text
END
(cat; echo inner) <<END | tr a-z A-Z
outer
END
f() { cat <<END
in a function $1
END
}
f argument; f again
