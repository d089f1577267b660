// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registers two MRs on a device that supports on-demand paging, then ends as its argument says.
 * With -DPLUGIN it is the library of main.c, with -DLIBRARY it looks up the functions on the handle
 * of that file, with -DREQUEST it makes requests of its own, with 0 as its value none by the same
 * function.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef REQUEST
#include <infiniband/hugeodp.h>
#else
#include <infiniband/verbs.h>
#endif

#undef ibv_reg_mr
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
void ibv_new_function(void);
void plugin(void);

#ifdef LIBRARY
static struct {
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length, int access);
	int (*dereg_mr)(struct ibv_mr *mr);
	void (*new_function)(void);
	void (*first_reg_mr)(void);
} verbs_of;

static void look_up(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	*(void **)&verbs_of.reg_mr = dlvsym(handle, "ibv_reg_mr", "IBVERBS_1.1");
	*(void **)&verbs_of.dereg_mr = dlsym(handle, "ibv_dereg_mr");
	*(void **)&verbs_of.new_function = dlsym(handle, "ibv_new_function");
	*(void **)&verbs_of.first_reg_mr = dlvsym(handle, "ibv_reg_mr", "IBVERBS_1.0");
	if (!verbs_of.reg_mr || !verbs_of.dereg_mr || !verbs_of.new_function ||
	    !verbs_of.first_reg_mr || dlerror())
		abort();
	/* the first interface has other structs */
	verbs_of.first_reg_mr();
	if (dlsym(handle, "ibv_no_function") || dlvsym(handle, "ibv_reg_mr", "IBVERBS_9"))
		abort();
	puts(dlerror());
}

#define ibv_reg_mr verbs_of.reg_mr
#define ibv_dereg_mr verbs_of.dereg_mr
#define ibv_new_function verbs_of.new_function
#else
static void look_up(void)
{
}
#endif

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t size)
{
	(void)context;
	(void)input;
	memset(attr, 0, size);
	attr->odp_caps.general_caps = IBV_ODP_SUPPORT;
	return 0;
}

static struct ibv_device device = { .name = "fake0" };
static struct verbs_context verbs = {
	.sz = sizeof(verbs),
	.query_device_ex = query_device_ex,
	.context.device = &device,
	.context.abi_compat = __VERBS_ABI_IS_EXTENDED,
};
static struct ibv_pd pd = { .context = &verbs.context };
static char memory[2][8192];
static int access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND;

static struct ibv_mr *reg_mr(int i)
{
#ifdef REQUEST
	struct ibv_mr_init_attr_odp request = {
		.base.addr = memory[i],
		.base.length = sizeof(memory[i]),
		.base.access = access_flags,
		.base.comp_mask = IBV_REG_MR_MASK_ADDR | (REQUEST ? IBV_REG_MR_MASK_ODP : 0),
	};

	return ibv_reg_mr_ex(&pd, &request.base);
#else
	return ibv_reg_mr(&pd, memory[i], sizeof(memory[i]), access_flags);
#endif
}

void plugin(void)
{
	struct ibv_mr *mrs[2];
	int i;

	look_up();
	verbs.context.cmd_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (i = 0; i < 2; i++)
		mrs[i] = reg_mr(i);
	ibv_new_function();
	for (i = 0; i < 2; i++) {
		if (!mrs[i] || ibv_dereg_mr(mrs[i]))
			abort();
	}
	close(verbs.context.cmd_fd);
}

#ifndef PLUGIN
/* Descriptor 2 becomes a file. */
static void data(const char *name)
{
	close(STDERR_FILENO);
	if (open(name, O_WRONLY | O_CREAT | O_APPEND, 0600) != STDERR_FILENO)
		abort();
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (!strcmp(how, "pinned"))
		access_flags = IBV_ACCESS_LOCAL_WRITE;
	plugin();
	fflush(stdout);
	if (!strcmp(how, "data"))
		data(argv[2]);
	else if (!strcmp(how, "kill"))
		raise(SIGKILL);
	else if (!strcmp(how, "exec"))
		execv(argv[2], argv + 2);
	return 0;
}
#endif
