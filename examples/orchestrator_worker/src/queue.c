/* A queue of numbers in a ring that grows. */
#include <stdbool.h>
#include <stdlib.h>

struct queue {
  long *items;
  size_t first, count, room;
};

bool queue_push(struct queue *queue, long item)
{
  if (queue->count == queue->room) {
    size_t room = queue->room == 0 ? 8 : queue->room * 2;
    long *items = malloc(room * sizeof *items);
    if (items == NULL) return false;
    for (size_t i = 0; i < queue->count; i++) items[i] = queue->items[(queue->first + i) % queue->room];
    free(queue->items);
    queue->items = items;
    queue->room = room;
    queue->first = 0;
  }
  queue->items[(queue->first + queue->count++) % queue->room] = item;
  return true;
}

bool queue_pop(struct queue *queue, long *item)
{
  if (queue->count == 0) return false;
  *item = queue->items[queue->first];
  queue->first = (queue->first + 1) % queue->room;
  queue->count--;
  return true;
}
