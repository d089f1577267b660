// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A libibverbs that prints each call and the name of this copy. Its devices are the words of
 * FAKE_DEVICES: "odp" supports on-demand paging, "plain" does not, "closed" cannot be opened. With
 * -DNEWER it has ibv_reg_mr_ex(), as since rdma-core 59.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/verbs.h>

#undef ibv_reg_mr

void ibv_new_function(void);
void first_reg_mr(void);
__asm__(".symver first_reg_mr, ibv_reg_mr@IBVERBS_1.0");

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));
	static uint32_t handle;

	(void)iova;
	(void)access;
	if (!mr)
		abort();
	mr->context = pd->context;
	mr->pd = pd;
	mr->addr = addr;
	mr->length = length;
	mr->handle = ++handle;
	puts(COPY ": reg");
	return mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
}

#ifdef NEWER
#include <infiniband/hugeodp.h>

struct ibv_mr *upstream_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr) __asm__("ibv_reg_mr_ex");
struct ibv_mr *upstream_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	printf("%s: newer ", COPY);
	return ibv_reg_mr_iova2(pd, attr->addr, attr->length, (uintptr_t)attr->addr,
				(unsigned int)attr->access);
}
#endif

int ibv_dereg_mr(struct ibv_mr *mr)
{
	free(mr);
	puts(COPY ": dereg");
	return 0;
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
		 int access)
{
	(void)mr;
	(void)flags;
	(void)pd;
	(void)addr;
	(void)length;
	(void)access;
	return IBV_REREG_MR_ERR_INPUT;
}

static struct ibv_device devices[8];

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t size)
{
	(void)input;
	memset(attr, 0, size);
	if (!strcmp(context->device->name, "odp"))
		attr->odp_caps.general_caps = IBV_ODP_SUPPORT;
	return 0;
}

struct ibv_device **ibv_get_device_list(int *n)
{
	const char *words = getenv("FAKE_DEVICES");
	struct ibv_device **list = calloc(9, sizeof(*list));
	int i = 0, len = 0;

	if (!list)
		abort();
	for (; words && i < 8 && sscanf(words, " %31s%n", devices[i].name, &len) == 1;
	     words += len) {
		strcpy(devices[i].dev_name, "uverbs-none");
		list[i] = &devices[i];
		i++;
	}
	*n = i;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	free(list);
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct verbs_context *verbs = calloc(1, sizeof(*verbs));

	if (!verbs)
		abort();
	if (!strcmp(device->name, "closed")) {
		free(verbs);
		return NULL;
	}
	verbs->sz = sizeof(*verbs);
	verbs->query_device_ex = query_device_ex;
	verbs->context.device = device;
	verbs->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	verbs->context.cmd_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return &verbs->context;
}

int ibv_close_device(struct ibv_context *context)
{
	close(context->cmd_fd);
	free(verbs_get_ctx(context));
	return 0;
}

struct ibv_mr *ibv_import_mr(struct ibv_pd *pd, uint32_t handle)
{
	(void)pd;
	(void)handle;
	return NULL;
}

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
				 int fd, int access)
{
	(void)pd;
	(void)offset;
	(void)length;
	(void)iova;
	(void)fd;
	(void)access;
	return NULL;
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	(void)context;
	(void)attr;
	return EOPNOTSUPP;
}

void first_reg_mr(void)
{
	puts(COPY ": first interface");
}

void ibv_new_function(void)
{
	puts(COPY ": new function");
}
