# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Names of the capabilities that can be set one by one, as lines of CAPS_FIELD(layout, field):
#
#     awk -f caps.awk mlx5_ifc.h

/^struct mlx5_ifc_[a-z0-9_]+_bits \{$/ {
	current = $2
	gsub(/^mlx5_ifc_|_bits$/, "", current)
	if (current !~ /^(cmd_hca_cap|cmd_hca_cap_2|atomic_caps|device_mem_cap)$/)
		current = ""
	depth = 0
	next
}
/^};/ { current = "" }
current == "" { next }
/(union|struct).*\{$/ { depth++; next }
/^\t+}/ { depth--; next }
depth > 0 { next }
/^\tu8[ \t]+[a-z0-9_]+\[0x[0-9a-f]+\];$/ {
	field = $2
	sub(/\[.*/, "", field)
	if (field !~ /^reserved_at_/)
		printf "CAPS_FIELD(%s, %s)\n", current, field
}
