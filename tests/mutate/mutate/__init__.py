# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Mutation tests: small defects in the sources, and whether the unit tests notice them."""
