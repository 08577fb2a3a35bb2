# Keeps the rows that make sense: five fields, a date, numbers above zero, no row
# twice. Regions are written in one way. The last line tells what was left out.
BEGIN { FS = OFS = "," }
NR == 1 { print; next }
{ gsub(/\r/, ""); gsub(/[ \t]+,/, ","); gsub(/,[ \t]+/, ",") }
NF != 5 { short++; next }
$1 !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/ { date++; next }
$4 !~ /^[0-9]+$/ || $5 !~ /^[0-9]+(\.[0-9]+)?$/ || $4 == 0 { number++; next }
{ $2 = toupper(substr($2, 1, 1)) tolower(substr($2, 2)) }
seen[$0]++ { twice++; next }
{ print }
END { printf "# left out: %d incomplete, %d without a date, %d with bad numbers, %d twice\n", short, date, number, twice }
