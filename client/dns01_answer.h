/* One answer of dns-01 between its first holder and its last trace; solver_dns01's own.
 *
 * Level-triggered: after each step it asks whether anybody holds it still, and goes on towards
 * "served" or towards "gone" accordingly.
 *
 *   SAVE -> ADD -> LOOK -> THERE -> REMOVE -> FORGET
 *   LEFT (of an earlier life, perhaps wanted again) -> ADD or REMOVE
 *
 * Holders are tasks; two enrolments may hold one answer (a reused authorization). */
#pragma once

#include "client/map.h"
#include "client/solver_dns01.h"
#include "common/rng.h"

#define DNS01_KEY_SIZE 340 /* name, a space, value */
#define DNS01_LEFT_LISTS 1024

enum dns01_phase {
    DNS01_SAVING,
    DNS01_ADDING,
    DNS01_LOOKING,
    DNS01_THERE,
    DNS01_REMOVING,
    DNS01_FORGETTING,
    DNS01_LEFT
};

struct dns01_answer;

struct dns01_holder {
    struct dns01_holder *next;
    struct dns01_answer *answer;
    struct solver_task *task;
    bool told;
};

struct dns01_answer {
    struct publication publication; /* first: the ctx of its writes */
    struct solver_dns01 *solver;
    struct dns01_holder *holders;
    enum dns01_phase phase;
    bool tried;        /* the record may be there */
    bool queued;       /* for a run */
    bool saving;       /* a write is under way */
    unsigned attempts; /* in this phase */
    unsigned refusals;
    uint64_t deadline_us, began_us;
    void *run; /* under way */
    struct loop_timer timer;
    struct dns01_answer *next;      /* in the queue */
    struct dns01_answer *next_left; /* in its list, while LEFT */
    char key[DNS01_KEY_SIZE];       /* in the map: name and value */
    char name[DNS01_KEY_SIZE];
    const char *value; /* in key */
};

struct solver_dns01 {
    struct solver_dns01_options options;
    struct map *answers;
    struct dns01_answer *queue, **queue_last;
    unsigned running;
    bool pumping;
    unsigned left_count;
    struct dns01_answer *left[DNS01_LEFT_LISTS];
    struct rng rng;
};

/* Begin a phase, or try its step again; nothing of it may be under way. */
void dns01_enter(struct dns01_answer *answer, enum dns01_phase phase);
/* Holders came or went. */
void dns01_go_on(struct dns01_answer *answer);
/* Wait for a run; dns01_pump starts what waits while there is room. */
void dns01_enqueue(struct dns01_answer *answer);
void dns01_pump(struct solver_dns01 *solver);
