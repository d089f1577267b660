# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A line "PACKAGE MODE PATH" about a file of the Debian packages becomes that of the RPMs: all
# differences that there may be.

# names of packages
s/\blibhugeodp1\b/libhugeodp/g
s/\blibhugeodp-dev\b/libhugeodp-devel/g

# directories for libraries and for Python
s,/usr/lib/x86_64-linux-gnu/,/usr/lib64/,
s,/usr/lib/python3/dist-packages/,/usr/lib64/python3/site-packages/,

# a static library is in Debian's package for development, while Fedora's have none
/ \/usr\/lib64\/libhugeodp\.a$/d

# the mode bits of shared libraries differ
s/ -[-rwx]+ (.*\.so(\.[0-9.]+)?)$/ library \1/

# documents: in Debian, each package has its own licence file and changelog, and long
# files are compressed
s,/usr/share/doc/([^/]+)/copyright$,/usr/share/licenses/\1/COPYING,
s,^(libhugeodp .*)/changelog\.gz$,\1/CHANGELOG.md,
/\/changelog\.gz$/d
s,^(hugeodp-kernel-source .*/README\.md)\.gz$,\1,

# a manual page with several names: debhelper replaces pages that refer to another by links
s,lrwxrwxrwx (/usr/share/man/man3/),-rw-r--r-- \1,

# Debian's zsh has a folder of its own for packages
s,/usr/share/zsh/vendor-completions/,/usr/share/zsh/site-functions/,
