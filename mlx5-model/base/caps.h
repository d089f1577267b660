/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the device reports about itself. Limits that the code enforces are defined only here. */
#ifndef MLX5_MODEL_CAPS_H
#define MLX5_MODEL_CAPS_H

#include "base/dev.h"

#define CAPS_LOG_MAX_EQ 6
#define CAPS_LOG_MAX_QP 16
#define CAPS_LOG_MAX_QP_SZ 15
#define CAPS_LOG_MAX_CQ 16
#define CAPS_LOG_MAX_CQ_SZ 22
#define CAPS_LOG_MAX_SRQ 16
#define CAPS_LOG_MAX_SRQ_SZ 15
#define CAPS_LOG_MAX_MKEY 20
#define CAPS_LOG_MAX_PD 16
#define CAPS_LOG_MAX_XRCD 16
#define CAPS_LOG_MAX_CONTEXT 8
#define CAPS_LOG_MAX_UMEM 10
#define CAPS_LOG_MAX_GROUP 6
#define CAPS_LOG_RESERVED_QPNS 6 /* numbers in a block of reserved ones */
#define CAPS_MAX_ATTACHED 64 /* queue pairs in a multicast group */
#define CAPS_MAX_INDIRECTION 4
#define CAPS_MAX_SQ_WQE 1008 /* 63 units of 16 bytes, the maximum of the ds field */
#define CAPS_MAX_RQ_WQE 512
#define CAPS_LOG_MAX_STREAMS 6
#define CAPS_LOG_MAX_ERRORED 5 /* DEV_MAX_STREAMS */
#define CAPS_LOG_MAX_MEMCPY 21
/* A hint without an effect needs no more */
#define CAPS_MAX_MAPPINGS 4096

/* Fields that the kernel's layouts reserve: cmd_hca_cap, cmd_hca_cap_2, a scheme's odp_scheme_cap */
#define CAPS_LOG_DMA_MMO_MAX_SIZE_BIT 0x6b
#define CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH 5
#define CAPS_DMA_MMO_QP_BIT 0x748
#define CAPS_2_NO_RECORD_BIT 0x2e1
#define CAPS_2_LOG_MAX_NO_RECORD_BIT 0x2e3
#define CAPS_2_LOG_MAX_NO_RECORD_WIDTH 5
#define CAPS_ODP_LOCAL_MMO_BIT 0x48

/* Device memory (MEMIC): an area of BAR 0, and after it one of the same size for each operation */
#define CAPS_MEMIC_START (16u << 20)
#define CAPS_MEMIC_SIZE (256u << 10)
#define CAPS_MEMIC_MAX (128u << 10) /* one allocation */
#define CAPS_MEMIC_LOG_UNIT 6	    /* of sizes and alignments */
#define CAPS_MEMIC_LOG_ALIGN 10	    /* times the unit */
enum caps_memic_operation { MEMIC_INCREMENT, MEMIC_TEST_AND_SET, MEMIC_OPERATIONS };

/* Types of general objects: their values, and as bits of the capability */
enum caps_object { OBJECT_RESERVED_QPN = 0x2c, OBJECT_AV_QP_MAPPING = 0x3a };
/* Not in the kernel's layout of cmd_hca_cap_2 */
#define CAPS_LOG_RESERVED_QPNS_BIT 0x93
#define CAPS_LOG_RESERVED_QPNS_WIDTH 5

void caps_init(struct dev *dev);
/* Sets what the profile of the device has other than by default */
void caps_profile(struct dev *dev);
/* True if name is that of a profile, which it sets */
bool caps_profile_parse(const char *name, enum dev_profile *profile);
/* The version of the profile's firmware, minor and major as in the register */
uint32_t caps_firmware(const struct dev *dev);
/*
 * Parses "NAME=VALUE", where NAME is the field of a capability, such as "rc_odp_caps.send". Returns
 * false if the field does not exist or the value does not fit.
 */
bool caps_parse(const char *text, struct cap_setting *setting);
/* Sets the capability of the device to this value */
void caps_set(struct dev *dev, const struct cap_setting *setting);

#endif
