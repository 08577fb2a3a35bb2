/* The CRC-32 of some bytes, bit by bit. */
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}
