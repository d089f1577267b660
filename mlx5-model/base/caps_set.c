// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Capabilities by name, for devices whose capabilities differ from the model's default. */
#include "base/caps.h"

#include <stdlib.h>

static const struct caps_field {
	const char *name;
	enum caps_group group;
	size_t bit;
	unsigned int width;
} caps_fields[] = {
#define CAPS_GROUP_cmd_hca_cap CAPS_GENERAL
#define CAPS_GROUP_cmd_hca_cap_2 CAPS_GENERAL_2
#define CAPS_GROUP_atomic_caps CAPS_ATOMIC
#define CAPS_GROUP_device_mem_cap CAPS_DEVICE_MEMORY
#define CAPS_FIELD(layout, field) \
	{ #field, CAPS_GROUP_##layout, IFC_BIT(layout, field), IFC_WIDTH(layout, field) },
#include "caps_fields.h"
#undef CAPS_FIELD
	{ "dma_mmo_qp", CAPS_GENERAL, CAPS_DMA_MMO_QP_BIT, 1 },
	{ "log_dma_mmo_max_size", CAPS_GENERAL, CAPS_LOG_DMA_MMO_MAX_SIZE_BIT,
	  CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH },
	{ "send_dbr_mode_no_dbr_ext", CAPS_GENERAL_2, CAPS_2_NO_RECORD_BIT, 1 },
#define CAPS_ODP_FIELD(service, use)                                                      \
	{ #service "." #use, CAPS_ODP, IFC_BIT(odp_scheme_cap, service.use),              \
	  IFC_WIDTH(odp_scheme_cap, service.use) }
#define CAPS_ODP_SERVICE(service)                                                         \
	CAPS_ODP_FIELD(service, send), CAPS_ODP_FIELD(service, receive),                  \
	CAPS_ODP_FIELD(service, write), CAPS_ODP_FIELD(service, read),                    \
	CAPS_ODP_FIELD(service, atomic), CAPS_ODP_FIELD(service, srq_receive)
	CAPS_ODP_SERVICE(rc_odp_caps),
	CAPS_ODP_SERVICE(uc_odp_caps),
	CAPS_ODP_SERVICE(ud_odp_caps),
	CAPS_ODP_SERVICE(xrc_odp_caps),
	CAPS_ODP_SERVICE(dc_odp_caps),
};

bool caps_parse(const char *text, struct cap_setting *setting)
{
	size_t length = strcspn(text, "="), i;
	char *end;

	if (!text[length] || text[length + 1] < '0' || text[length + 1] > '9')
		return false;
	setting->value = strtoull(text + length + 1, &end, 0);
	if (*end)
		return false;
	for (i = 0; i < sizeof(caps_fields) / sizeof(caps_fields[0]); i++) {
		const struct caps_field *field = &caps_fields[i];

		if (strlen(field->name) != length || memcmp(field->name, text, length))
			continue;
		setting->group = field->group;
		setting->bit = field->bit;
		setting->width = field->width;
		return field->width >= 64 || setting->value >> field->width == 0;
	}
	return false;
}

void caps_set(struct dev *dev, const struct cap_setting *setting)
{
	uint8_t *caps = NULL;

	switch (setting->group) {
	case CAPS_GENERAL:
		caps = dev->caps_general;
		break;
	case CAPS_GENERAL_2:
		caps = dev->caps_general_2;
		break;
	case CAPS_ATOMIC:
		caps = dev->caps_atomic;
		break;
	case CAPS_DEVICE_MEMORY:
		caps = dev->caps_device_memory;
		break;
	case CAPS_ODP:
		/* of both schemes */
		ifc_set(IFC_AT(odp_cap, dev->caps_odp, memory_page_fault_scheme_cap), setting->bit,
			setting->width, setting->value);
		caps = IFC_AT(odp_cap, dev->caps_odp, transport_page_fault_scheme_cap);
		break;
	}
	ifc_set(caps, setting->bit, setting->width, setting->value);
}
