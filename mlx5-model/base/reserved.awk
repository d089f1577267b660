# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Reserved fields of the commands that the device handles, as tables of struct reserved:
#
#     awk -f reserved.awk cmd.c mlx5_ifc.h
#
# Unions are left out: a field that is reserved in one member is used by another. So is the second
# half of a command's first word: the kernel puts the user context's number there even if the layout
# does not name it.

function emit(type,   i, n, parts) {
	if (type in done)
		return
	done[type] = 1
	n = split(members[type], parts, " ")
	for (i = 1; i <= n; i += 2)
		if (parts[i + 1] != "-")
			emit(parts[i + 1])
	printf "static const struct reserved reserved_%s[] = {\n", type
	for (i = 1; i <= n; i += 2)
		printf "\t{ IFC_BIT(%s, %s), IFC_WIDTH(%s, %s), %s },\n", type, parts[i],
			type, parts[i], parts[i + 1] == "-" ? "NULL" : "reserved_" parts[i + 1]
	print "\t{ 0, 0, NULL },\n};"
}

# cmd.c: the layouts of the inputs
FNR == NR {
	if (match($0, /^\tCMD(_WHEN)?\([A-Z0-9_]+, [a-z0-9_]+,/)) {
		split($0, word, /[ ,]+/)
		inputs[++count] = word[2] "_in"
	}
	next
}

# mlx5_ifc.h
/^struct mlx5_ifc_[a-z0-9_]+_bits \{$/ {
	current = $2
	gsub(/^mlx5_ifc_|_bits$/, "", current)
	depth = 0
	next
}
/^};/ { current = "" }
current == "" { next }
/(union|struct).*\{$/ { depth++; next }
/^\t+}/ { depth--; next }
depth > 0 { next }
/^\tu8[ \t]+reserved_at_[0-9a-f]+\[[^]]+\];$/ {
	field = $2
	sub(/\[.*/, "", field)
	if (current ~ /_in$/ && field == "reserved_at_10")
		next
	members[current] = members[current] field " - "
}
/^\tstruct mlx5_ifc_[a-z0-9_]+_bits [a-z0-9_]+;$/ {
	type = $2
	gsub(/^mlx5_ifc_|_bits$/, "", type)
	field = $3
	sub(/;$/, "", field)
	members[current] = members[current] field " " type " "
}

END {
	print "/* Made by reserved.awk */"
	for (i = 1; i <= count; i++)
		emit(inputs[i])
}
