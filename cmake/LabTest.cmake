# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# lab_test(NAME [PROGRAM FILE ARGS ARG...] [DEVICES DEVICE...] [SCHEMES both] [PROFILES PROFILE...]
#          [SMALL] [QUICK] [SHORT] [PHYSICAL] [STOCK|STOCK_ONLY [LENIENT]])
#
# A test for the lab's virtual machine, and where it runs. It is built from NAME.c, which is linked
# with tests/lib, or installed from NAME.sh; or it is the installed PROGRAM, run with other arguments.
#
#   DEVICES     rxe (default), mlx5 (the model), mlx5-pair (two devices of it), mlx5-machines (in
#               each of two machines at the same time, with a device of the model each)
#   SCHEMES     both: on mlx5 also with page faults in the memory scheme, not only by transport
#   PROFILES    old, new: also, or only if there are no DEVICES, on the model with that firmware
#   SMALL       on rxe also in a machine with little memory and without hugetlb pages
#   QUICK       of a folder that is a part of its own, on rxe also with the part lab
#   SHORT       on mlx5 also with the short part of the default run
#   PHYSICAL    not with an IOMMU, because it compares pages of pinned memory with physical addresses
#   STOCK       also on a kernel without the series
#   STOCK_ONLY  only there
#   LENIENT     on mlx5 in a machine of its own, whose model is not strict
#
# Each of these becomes a label, and the file "list" beside the installed tests has the labels of each
# test in a line. The lab picks the tests of a part by label:
#
#   rxe  rxe-small  rxe-quick  mlx5-transport  mlx5-memory  mlx5-pair-transport  mlx5-pair-memory
#   mlx5-machines-transport  mlx5-machines-memory
#   mlx5-profile-old  mlx5-profile-new  mlx5-short-transport  mlx5-short-memory  iommu-transport  iommu-memory
#   stock-rxe  stock-mlx5-transport  stock-mlx5-pair-transport  stock-mlx5-transport-lenient
#
# A folder whose tests are a part of their own sets LAB_TEST_GROUP, which comes first in their labels
# (hostile-rxe, ...). Its programs are also linked with LAB_TEST_LIBRARIES.

set(LAB_TEST_DIR ${CMAKE_INSTALL_LIBEXECDIR}/hugeodp/tests)

# lab_test_labels(OUT): of the arguments that lab_test() has parsed
function(lab_test_labels out)
	set(labels)
	foreach(device IN LISTS test_DEVICES)
		set(names ${device})
		if(device MATCHES "^mlx5")
			set(names ${device}-transport)
			if(test_LENIENT)
				set(names ${names}-lenient)
			endif()
		endif()
		if(NOT test_STOCK_ONLY)
			list(APPEND labels ${names})
			if(device MATCHES "^mlx5" AND test_SCHEMES)
				list(APPEND labels ${device}-memory)
			endif()
			if(device STREQUAL mlx5 AND NOT test_PHYSICAL)
				list(APPEND labels iommu-transport)
				if(test_SCHEMES)
					list(APPEND labels iommu-memory)
				endif()
			endif()
		endif()
		if(test_STOCK OR test_STOCK_ONLY)
			list(APPEND labels stock-${names})
		endif()
	endforeach()
	foreach(profile IN LISTS test_PROFILES)
		list(APPEND labels mlx5-profile-${profile})
	endforeach()
	if(test_SMALL)
		list(APPEND labels rxe-small)
	endif()
	if(LAB_TEST_GROUP)
		list(TRANSFORM labels PREPEND ${LAB_TEST_GROUP}-)
	endif()
	if(test_QUICK)
		list(APPEND labels rxe-quick)
	endif()
	if(test_SHORT)
		list(APPEND labels mlx5-short-transport)
		if(test_SCHEMES)
			list(APPEND labels mlx5-short-memory)
		endif()
	endif()
	list(JOIN labels " " labels)
	set(${out} ${labels} PARENT_SCOPE)
endfunction()

# lab_program(NAME OUTPUT): builds NAME.c as OUTPUT and installs it with the tests
function(lab_program name output)
	add_executable(lab-${name} ${name}.c)
	set_target_properties(lab-${name} PROPERTIES OUTPUT_NAME ${output})
	target_include_directories(lab-${name} PRIVATE ${PROJECT_SOURCE_DIR}/kernel-headers)
	target_link_libraries(lab-${name} PRIVATE ${LAB_TEST_LIBRARIES} labtest)
	install(TARGETS lab-${name} RUNTIME DESTINATION ${LAB_TEST_DIR})
endfunction()

function(lab_test name)
	cmake_parse_arguments(PARSE_ARGV 1 test "SMALL;QUICK;SHORT;PHYSICAL;STOCK;STOCK_ONLY;LENIENT" "PROGRAM;SCHEMES"
		"ARGS;DEVICES;PROFILES")
	if(test_UNPARSED_ARGUMENTS OR (test_SCHEMES AND NOT test_SCHEMES STREQUAL both))
		message(FATAL_ERROR "lab_test(${name}): ${test_UNPARSED_ARGUMENTS} SCHEMES ${test_SCHEMES}")
	endif()
	if(test_LENIENT AND NOT test_STOCK_ONLY)
		message(FATAL_ERROR "lab_test(${name}): LENIENT without STOCK_ONLY")
	endif()
	if(NOT test_DEVICES AND NOT test_PROFILES)
		set(test_DEVICES rxe)
	endif()
	foreach(device IN LISTS test_DEVICES)
		if(NOT device MATCHES "^(rxe|mlx5|mlx5-pair|mlx5-machines)$")
			message(FATAL_ERROR "lab_test(${name}): unknown device ${device}")
		endif()
	endforeach()
	foreach(profile IN LISTS test_PROFILES)
		if(NOT profile MATCHES "^(old|new)$")
			message(FATAL_ERROR "lab_test(${name}): unknown profile ${profile}")
		endif()
	endforeach()
	# prove runs what ends in .t
	if(test_PROGRAM)
		list(JOIN test_ARGS " " arguments)
		file(CONFIGURE OUTPUT ${name}.t NEWLINE_STYLE UNIX CONTENT
			"#!/bin/sh\nexec \"$(dirname \"$0\")/${test_PROGRAM}\" ${arguments}\n")
		install(PROGRAMS ${CMAKE_CURRENT_BINARY_DIR}/${name}.t DESTINATION ${LAB_TEST_DIR})
	elseif(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh)
		install(PROGRAMS ${name}.sh DESTINATION ${LAB_TEST_DIR} RENAME ${name}.t)
	else()
		lab_program(${name} ${name}.t)
	endif()
	lab_test_labels(labels)
	set_property(GLOBAL APPEND PROPERTY LAB_TESTS "${name} ${labels}")
endfunction()

# Once, after the last test
function(lab_tests_list)
	get_property(tests GLOBAL PROPERTY LAB_TESTS)
	list(SORT tests)
	list(JOIN tests "\n" content)
	file(CONFIGURE OUTPUT list CONTENT "${content}\n")
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/list DESTINATION ${LAB_TEST_DIR})
endfunction()
