/* Counts the primes below n, by the sieve of Eratosthenes. */
#include <stdlib.h>
#include <string.h>

long count_primes(size_t n)
{
  long count = 0;
  unsigned char *composite = calloc(n, 1);
  if (composite == NULL) return -1;
  for (size_t i = 2; i < n; i++) {
    if (composite[i]) continue;
    count++;
    for (size_t k = i * i; k < n; k += i) composite[k] = 1;
  }
  free(composite);
  return count;
}
