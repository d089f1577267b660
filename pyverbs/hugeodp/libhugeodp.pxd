# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The declarations that the bindings use from <infiniband/hugeodp.h> and <infiniband/verbs.h>.
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "<infiniband/verbs.h>" nogil:
    struct ibv_device:
        pass

    struct ibv_context:
        pass

    enum ibv_advise_mr_advice:
        IBV_ADVISE_MR_ADVICE_PREFETCH
        IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE
        IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT

    ibv_device **ibv_get_device_list(int *count)
    void ibv_free_device_list(ibv_device **devices)
    const char *ibv_get_device_name(ibv_device *device)
    ibv_context *ibv_open_device(ibv_device *device)
    int ibv_close_device(ibv_context *context)


cdef extern from "<infiniband/hugeodp.h>" nogil:
    const char *HUGEODP_VERSION_STRING

    struct ibv_mr_odp_attr:
        uint64_t page_sizes
        uint32_t page_shift
        uint32_t flags
        uint64_t blocks_mapped
        uint64_t table_bytes
        uint64_t faults
        uint64_t pages_invalidated
        uint64_t renegotiations
        uint32_t source
        uint64_t renegotiations_down
        uint64_t blocks[64]
        uint64_t faults_refused

    struct ibv_mr_pages:
        uint32_t page_shift
        uint32_t kind
        uint32_t source
        uint64_t entries
        uint64_t device_bytes
        uint64_t base_pages

    struct ibv_device_odp_attr:
        uint64_t page_sizes
        uint32_t flags
        uint32_t source

    struct ibv_odp_report:
        uint64_t page_sizes
        uint64_t address
        uint32_t page_shift
        uint32_t blocked_shift
        uint32_t reason
        uint32_t flags
        uint32_t source

    struct ibv_mr_init_attr:
        size_t length
        int access
        uint64_t comp_mask
        uint64_t iova
        void *addr

    enum:
        IBV_REG_MR_MASK_IOVA

    struct ibv_mr_init_attr_odp:
        ibv_mr_init_attr base
        uint64_t page_sizes
        uint32_t flags
        uint64_t max_entries
        uint64_t *entries_needed

    enum:
        HUGEODP_MEMORY_POPULATE
        HUGEODP_MEMORY_DONTFORK
        HUGEODP_MEMORY_NODE

    struct hugeodp_memory_attr:
        uint64_t length
        uint64_t page_sizes
        uint32_t flags
        uint32_t node

    struct hugeodp_memory:
        void *addr
        uint64_t length
        uint64_t page_size
        uint32_t kind

    hugeodp_memory *hugeodp_alloc_memory(const hugeodp_memory_attr *attr, size_t size)
    int hugeodp_free_memory(hugeodp_memory *memory)
    int hugeodp_create_mr_fd(int cmd_fd, uint32_t pd_handle, const ibv_mr_init_attr_odp *attr,
                             size_t size, uint32_t *handle)
    int hugeodp_prefetch_mr_fd(int cmd_fd, uint32_t pd_handle, uint32_t lkey, uint64_t addr,
                               uint64_t length, ibv_advise_mr_advice advice,
                               int (*progress)(void *arg, uint64_t done) noexcept, void *arg)
    int hugeodp_destroy_mr_fd(int cmd_fd, uint32_t handle)
    int hugeodp_query_mr_fd(int cmd_fd, uint32_t handle, ibv_mr_odp_attr *attr, size_t size)
    int hugeodp_query_mr_pages_fd(int cmd_fd, uint32_t handle, ibv_mr_pages *pages, size_t size)
    int hugeodp_estimate_mr_pages_fd(int cmd_fd, uint32_t handle, void *addr, size_t length,
                                     ibv_mr_pages *pages, size_t size)
    int hugeodp_modify_mr_fd(int cmd_fd, uint32_t handle, uint64_t page_sizes, uint32_t flags)
    int hugeodp_watch_mr_fd(int cmd_fd, uint32_t handle, int event_fd)
    int ibv_query_device_odp(ibv_context *context, ibv_device_odp_attr *attr, size_t size)
    int ibv_probe_odp_range(ibv_context *context, void *addr, size_t length, uint64_t page_sizes,
                            ibv_odp_report *report, size_t size)
    const char *ibv_odp_reason_str(uint32_t reason)
    const char *ibv_odp_reason_hint(uint32_t reason)
