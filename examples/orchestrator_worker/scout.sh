# Prints the C files of the folder it is given, with their sizes, as JSON.
set -eu
read -r folder || true
printf '{"files": ['
comma=""
for file in "$folder"/*.c; do
  printf '%s{"path": "%s", "bytes": %d}' "$comma" "$file" "$(wc -c < "$file")"
  comma=", "
done
echo ']}'
