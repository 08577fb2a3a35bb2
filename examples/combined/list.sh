# Prints the C files of the folder it is given, one a line.
set -eu
read -r folder || true
ls "$folder"/*.c
