# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# find_package(hugeodp) defines the target hugeodp::hugeodp.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
if(NOT TARGET PkgConfig::IBVERBS)
	pkg_check_modules(IBVERBS QUIET IMPORTED_TARGET libibverbs)
endif()
if(NOT TARGET PkgConfig::IBVERBS)
	set(hugeodp_FOUND FALSE)
	set(hugeodp_NOT_FOUND_MESSAGE "libibverbs not found by pkg-config")
	return()
endif()
include(${CMAKE_CURRENT_LIST_DIR}/hugeodp-targets.cmake)
