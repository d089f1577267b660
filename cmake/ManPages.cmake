# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# man_pages(PAGE...): builds and installs manual pages from Markdown if pandoc is available. The digit
# in the name of a page is its section, as in hugeodp.7.md. Section 3 becomes 3hugeodp, because
# rdma-core has a page ibv_reg_mr_ex.3. If the section NAME of a page lists several names, all but the
# first become pages that refer to it.

find_program(PANDOC pandoc)
if(NOT PANDOC)
	message(STATUS "pandoc not found: manual pages are not built")
endif()

# man_page_aliases(PAGE NAME): installs pages for the other functions on a page
function(man_page_aliases page name)
	file(STRINGS ${page} names REGEX "^[a-z_0-9]+(, [a-z_0-9]+)+ - ")
	string(REGEX REPLACE " - .*" "" names "${names}")
	string(REPLACE ", " ";" names "${names}")
	foreach(alias IN LISTS names)
		if(NOT name STREQUAL "${alias}.3hugeodp")
			file(CONFIGURE OUTPUT man/${alias}.3hugeodp CONTENT ".so man3/${name}\n")
			install(FILES ${CMAKE_CURRENT_BINARY_DIR}/man/${alias}.3hugeodp
				DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
		endif()
	endforeach()
endfunction()

function(man_pages)
	if(NOT PANDOC)
		return()
	endif()
	file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/man)
	foreach(page IN LISTS ARGN)
		get_filename_component(page ${page} ABSOLUTE)
		get_filename_component(name ${page} NAME_WLE)
		string(REGEX MATCH "[0-9]$" number ${name})
		string(REGEX REPLACE "\\.3$" ".3hugeodp" name ${name})
		set(output ${CMAKE_CURRENT_BINARY_DIR}/man/${name})
		add_custom_command(OUTPUT ${output}
			COMMAND ${PANDOC} --standalone --from markdown-smart --to man
				--metadata footer=${PROJECT_NAME}\ ${PROJECT_VERSION}
				--output ${output} ${page}
			DEPENDS ${page}
			VERBATIM)
		list(APPEND outputs ${output})
		install(FILES ${output} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${number})
		man_page_aliases(${page} ${name})
	endforeach()
	get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
	add_custom_target(man-${folder} ALL DEPENDS ${outputs})
endfunction()
