# Reads the name of a file and prints the file: `date,region,product,units,price`.
set -eu
read -r file || true  # the prompt ends without a line end
exec cat "$file"
