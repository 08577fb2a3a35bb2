# Prints the C files of the folder it is given, one a line.
set -eu
export LC_ALL=C
read -r folder || true  # the prompt ends without a line end
ls -d "$folder"/*.c
