/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Access by name to the layouts of the device interface. The layouts are the kernel's own header,
 * in which each bit is one u8; the build option MLX5_IFC names it.
 */
#ifndef MLX5_MODEL_IFC_H
#define MLX5_MODEL_IFC_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define DECLARE_FLEX_ARRAY(type, name) \
	struct {                       \
		struct {               \
		} name##_empty;        \
		type name[];           \
	}
#include <mlx5_ifc.h>
#undef DECLARE_FLEX_ARRAY
#undef BIT_ULL
#undef BIT

/* Big-endian bit fields: bit 0 is the top bit of byte 0; 64 bits at most */
uint64_t ifc_get(const void *base, size_t bit, unsigned int width);
void ifc_set(void *base, size_t bit, unsigned int width, uint64_t value);

#define IFC_BIT(type, field) offsetof(struct mlx5_ifc_##type##_bits, field)
#define IFC_WIDTH(type, field) sizeof(((struct mlx5_ifc_##type##_bits *)0)->field)
#define IFC_SIZE(type) (sizeof(struct mlx5_ifc_##type##_bits) / 8)
#define IFC_OFFSET(type, field) (IFC_BIT(type, field) / 8)

#define IFC_GET(type, base, field) ifc_get(base, IFC_BIT(type, field), IFC_WIDTH(type, field))
#define IFC_SET(type, base, field, value) \
	ifc_set(base, IFC_BIT(type, field), IFC_WIDTH(type, field), value)
#define IFC_COPY(type, to, from, field) IFC_SET(type, to, field, IFC_GET(type, from, field))
#define IFC_AT(type, base, field) ((uint8_t *)(base) + IFC_OFFSET(type, field))
#define IFC_AT_CONST(type, base, field) ((const uint8_t *)(base) + IFC_OFFSET(type, field))

#endif
