#include "nfsim/flow_svg.h"

#include <stdio.h>
#include <string.h>

#include "nfsim/markup.h"

/* The picture is a grid: one row per message (not to scale, so that nothing overlaps), a column for
 * the step, one for the offset in ms, then one lifeline per party that takes part.  Labels stand in
 * the gap beside the sender; NAME_MAX octets fit into it. */
#define STEP_X 16
#define TIME_X 226 /* right edge of the offsets */
#define LIFE_X 330 /* the first lifeline */
#define GAP 190
#define HEAD_Y 84
#define HEAD_WIDTH 156
#define TOP 148 /* the first band */
#define ROW 28
#define BAND_PAD 12
#define BAND_MIN 48
#define NAME_MAX 25

static const struct {
    const char *name, *role;
} parties[FLOW_PARTY__COUNT] = {
    [FLOW_PRODUCER] = {"Producer NF", "asks for a certificate"},
    [FLOW_NF] = {"NF", ""},
    [FLOW_CLIENT] = {"Shared client", "nfacme-client"},
    [FLOW_SERVER] = {"ACME server, CA", "nfacme-server"},
    [FLOW_OAM] = {"OAM", "Token Authority"},
};

static const char *const step_names[FLOW_BANDS] = {
    "1 request",    "2 account",         "3 order", "4 challenge",   "5 response",
    "6 validation", "7 acknowledgement", "8 CSR",   "9 certificate", "use",
};

struct row {
    uint64_t at_us;
    unsigned call, band;
    bool answer;
    int y; /* of its line */
};

struct sheet {
    const struct flow *flow;
    struct buf *out;
    struct row *rows;
    size_t count;
    int x[FLOW_PARTY__COUNT]; /* 0 = takes no part */
    int last_x, width, bottom;
    int band_y[FLOW_BANDS], band_height[FLOW_BANDS]; /* height 0 = not shown */
};

static void sheet_done_auto(struct sheet *sheet) { free(sheet->rows); }

static int by_time(const void *left, const void *right) {
    const struct row *a = left, *b = right;

    if (a->at_us != b->at_us) {
        return a->at_us < b->at_us ? -1 : 1;
    }
    if (a->call == b->call || a->answer == b->answer) {
        return a->answer != b->answer ? (a->answer ? 1 : -1) : (a->call < b->call ? -1 : 1);
    }
    return a->answer ? -1 : 1; /* an answer leads to the next request */
}

static unsigned band_of(const struct flow *flow, uint64_t at_us) {
    for (unsigned k = 0; k < FLOW_STEPS; k++) {
        if (flow->steps[k].seen && at_us <= flow->steps[k].end_us) {
            return k;
        }
    }
    return FLOW_STEPS;
}

static bool sheet_rows(struct sheet *sheet) {
    const struct flow *flow = sheet->flow;

    sheet->rows = calloc(2 * (size_t)flow->count + 1, sizeof(*sheet->rows));
    if (sheet->rows == NULL) {
        return false;
    }
    for (unsigned i = 0; i < flow->count; i++) {
        const struct flow_call *call = &flow->calls[i];
        sheet->rows[sheet->count++] = (struct row){.at_us = call->start_us, .call = i};
        if (call->from != call->to) {
            sheet->rows[sheet->count++] =
                (struct row){.at_us = call->end_us, .call = i, .answer = true};
        }
    }
    qsort(sheet->rows, sheet->count, sizeof(*sheet->rows), by_time);
    for (size_t i = 0; i < sheet->count; i++) {
        sheet->rows[i].band = band_of(flow, sheet->rows[i].at_us);
    }
    return true;
}

static void sheet_columns(struct sheet *sheet) {
    bool present[FLOW_PARTY__COUNT] = {
        [FLOW_NF] = true, [FLOW_CLIENT] = true, [FLOW_SERVER] = true};
    int x = LIFE_X;

    for (unsigned i = 0; i < sheet->flow->count; i++) {
        present[sheet->flow->calls[i].from] = present[sheet->flow->calls[i].to] = true;
    }
    for (int i = 0; i < FLOW_PARTY__COUNT; i++) {
        if (present[i]) {
            sheet->x[i] = sheet->last_x = x;
            x += GAP;
        }
    }
    sheet->width = sheet->last_x + HEAD_WIDTH / 2 + 24;
}

static void sheet_bands(struct sheet *sheet) {
    int y = TOP;
    size_t row = 0;

    for (unsigned band = 0; band < FLOW_BANDS; band++) {
        int rows = 0;
        sheet->band_y[band] = y;
        for (; row < sheet->count && sheet->rows[row].band == band; row++, rows++) {
            sheet->rows[row].y = y + BAND_PAD / 2 + ROW * (rows + 1) - 6;
        }
        if (rows > 0 || (band < FLOW_STEPS && sheet->flow->steps[band].seen)) {
            int height = rows * ROW + BAND_PAD;
            sheet->band_height[band] = height < BAND_MIN ? BAND_MIN : height;
            y += sheet->band_height[band];
        }
    }
    sheet->bottom = y;
}

static const char style[] =
    ".flow{--flow-paper:#fff;--flow-band:#f4f6f8;--flow-ink:#1c2733;--flow-soft:#5b6876;"
    "--flow-rule:#c9d1d9;--flow-call:#1f5fae;--flow-answer:#4a7a52;--flow-bad:#b3261e;"
    "--flow-bar:#dce8f6;font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',"
    "sans-serif;background:var(--flow-paper)}"
    "@media (prefers-color-scheme:dark){.flow{--flow-paper:#12181f;--flow-band:#19212a;"
    "--flow-ink:#e4eaf0;--flow-soft:#9aa7b4;--flow-rule:#3a4652;--flow-call:#7db3f2;"
    "--flow-answer:#8fca98;--flow-bad:#ff8a80;--flow-bar:#24384f}}"
    "@media print{.flow{--flow-paper:#fff;--flow-band:#f4f6f8;--flow-ink:#1c2733;"
    "--flow-soft:#5b6876;--flow-rule:#c9d1d9;--flow-call:#1f5fae;--flow-answer:#4a7a52;"
    "--flow-bad:#b3261e;--flow-bar:#dce8f6}}"
    ".flow-paper{fill:var(--flow-paper)}.flow-band{fill:var(--flow-band)}"
    ".flow text{fill:var(--flow-ink)}.flow .flow-title{font-size:17px;font-weight:600}"
    ".flow .flow-soft{fill:var(--flow-soft);font-size:12px}"
    ".flow .flow-step{font-weight:600}"
    ".flow .flow-time{fill:var(--flow-soft);font-size:12px;text-anchor:end;"
    "font-variant-numeric:tabular-nums}"
    ".flow .flow-mid{text-anchor:middle}.flow .flow-end{text-anchor:end}"
    ".flow-head{fill:var(--flow-paper);stroke:var(--flow-soft)}"
    ".flow-life{stroke:var(--flow-rule);stroke-width:1.5}"
    ".flow-bar{fill:var(--flow-bar);stroke:var(--flow-call);stroke-width:.8}"
    ".flow-call{stroke:var(--flow-call);stroke-width:1.5;fill:none}"
    ".flow-answer{stroke:var(--flow-answer);stroke-width:1.3;stroke-dasharray:5 4;fill:none}"
    ".flow-call-tip{fill:var(--flow-call)}.flow-answer-tip{fill:var(--flow-answer)}"
    ".flow .flow-label{font-size:12.5px}.flow .flow-status{font-size:12px;"
    "fill:var(--flow-answer)}.flow .flow-bad{fill:var(--flow-bad)}";

static void open_svg(struct buf *out, int width, int height, const char *title) {
    (void)buf_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flow\" role=\"img\" "
                     "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n<title>",
                     width, height, width, height);
    markup_text(out, title, 0);
    (void)buf_printf(out,
                     "</title>\n<style>%s</style>\n"
                     "<rect class=\"flow-paper\" width=\"%d\" height=\"%d\"/>\n",
                     style, width, height);
}

/* Text at a place; class is ours, text is anybody's. */
static void put(struct buf *out, int x, int y, const char *class, const char *text, size_t max) {
    (void)buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    markup_text(out, text, max);
    (void)buf_text(out, "</text>\n");
}

static void draw_title(const struct sheet *sheet) {
    const struct flow *flow = sheet->flow;
    char total[MARKUP_FIGURE_SIZE], text[256];

    put(sheet->out, STEP_X, 32, "flow-title", "One enrolment, message by message", 0);
    (void)snprintf(text, sizeof(text), "%s %s, t0 to t9 %s, trace %s", flow->type, flow->nf,
                   flow->has_root ? markup_us(flow->end_us - flow->start_us, total) : "not known",
                   flow->trace_id);
    put(sheet->out, STEP_X, 54, "flow-soft", text, 0);
}

static void draw_bands(const struct sheet *sheet) {
    bool shade = false;

    for (unsigned k = 0; k < FLOW_BANDS; k++) {
        char took[MARKUP_FIGURE_SIZE];
        int y = sheet->band_y[k];
        if (sheet->band_height[k] == 0) {
            continue;
        }
        shade = !shade;
        if (shade) {
            (void)buf_printf(sheet->out,
                             "<rect class=\"flow-band\" x=\"0\" y=\"%d\" width=\"%d\" "
                             "height=\"%d\"/>\n",
                             y, sheet->width, sheet->band_height[k]);
        }
        bool timed = sheet->flow->steps[FLOW_STEPS - 1].seen; /* only of one that was enrolled */
        put(sheet->out, STEP_X, y + 22, "flow-step",
            k == FLOW_STEPS && !timed ? "not enrolled" : step_names[k], 0);
        if (k < FLOW_STEPS && sheet->flow->steps[k].seen) {
            const struct flow_step *step = &sheet->flow->steps[k];
            put(sheet->out, STEP_X, y + 39, "flow-soft",
                markup_us(step->end_us - step->start_us, took), 0);
        } else {
            put(sheet->out, STEP_X, y + 39, "flow-soft", "not timed", 0);
        }
    }
}

static void draw_lifelines(const struct sheet *sheet) {
    for (int i = 0; i < FLOW_PARTY__COUNT; i++) {
        char name[96];
        const char *role = i == FLOW_NF ? sheet->flow->nf : parties[i].role;
        int x = sheet->x[i];
        if (x == 0) {
            continue;
        }
        (void)buf_printf(sheet->out,
                         "<line class=\"flow-life\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n"
                         "<rect class=\"flow-head\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"46\" "
                         "rx=\"6\"/>\n",
                         x, HEAD_Y + 46, x, sheet->bottom, x - HEAD_WIDTH / 2, HEAD_Y, HEAD_WIDTH);
        (void)snprintf(name, sizeof(name), "%s%s%.12s", parties[i].name,
                       i == FLOW_NF && sheet->flow->type[0] != '\0' ? " " : "",
                       i == FLOW_NF ? sheet->flow->type : "");
        put(sheet->out, x, HEAD_Y + 20, "flow-step flow-mid", name, 0);
        put(sheet->out, x, HEAD_Y + 37, "flow-soft flow-mid", role, i == FLOW_NF ? 8 : 0);
    }
}

/* The receiver is busy from a request to its answer. */
static void draw_bars(const struct sheet *sheet) {
    for (size_t i = 0; i < sheet->count; i++) {
        const struct row *start = &sheet->rows[i];
        const struct flow_call *call = &sheet->flow->calls[start->call];
        for (size_t k = i + 1; !start->answer && k < sheet->count; k++) {
            if (sheet->rows[k].call == start->call) {
                (void)buf_printf(sheet->out,
                                 "<rect class=\"flow-bar\" x=\"%d\" y=\"%d\" width=\"8\" "
                                 "height=\"%d\" rx=\"2\"/>\n",
                                 sheet->x[call->to] - 4, start->y, sheet->rows[k].y - start->y);
            }
        }
    }
}

static void draw_arrow(const struct sheet *sheet, int from, int to, int y, bool answer) {
    const char *class = answer ? "flow-answer" : "flow-call";
    int way = to > from ? 1 : -1;

    from += 5 * way;
    to -= 5 * way;
    (void)buf_printf(sheet->out,
                     "<path class=\"%s\" d=\"M%d %dH%d\"/>"
                     "<path class=\"%s-tip\" d=\"M%d %dl%d -4v8z\"/>\n",
                     class, from, y, to - 6 * way, class, to, y, -8 * way);
}

/* A status is an HTTP status or, of a validation, "valid" or "invalid". */
static bool is_answered(const struct flow_call *call) {
    return call->status[0] != '\0' && strcmp(call->status, "0") != 0
           && strcmp(call->status, "none") != 0;
}

static bool is_bad(const struct flow_call *call) {
    bool http = call->status[0] >= '0' && call->status[0] <= '9';

    return !is_answered(call)
           || (http ? call->status[0] >= '4' : strcmp(call->status, "valid") != 0);
}

static void draw_call(const struct sheet *sheet, const struct row *row) {
    const struct flow_call *call = &sheet->flow->calls[row->call];
    int from = sheet->x[row->answer ? call->to : call->from];
    int to = sheet->x[row->answer ? call->from : call->to];
    int label = from + (to > from ? GAP / 2 : -GAP / 2);
    char took[MARKUP_FIGURE_SIZE], text[96];

    draw_arrow(sheet, from, to, row->y, row->answer);
    if (!row->answer) {
        put(sheet->out, label, row->y - 6, "flow-label flow-mid", call->name, NAME_MAX);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.12s after %s",
                   is_answered(call) ? call->status : "no answer",
                   markup_us(call->end_us - call->start_us, took));
    put(sheet->out, label, row->y - 6,
        is_bad(call) ? "flow-status flow-bad flow-mid" : "flow-status flow-mid", text, 0);
}

/* Work within one party: a mark on its lifeline. */
static void draw_work(const struct sheet *sheet, const struct row *row) {
    const struct flow_call *call = &sheet->flow->calls[row->call];
    int x = sheet->x[call->from];
    bool left = x == sheet->last_x && call->from != FLOW_PRODUCER;
    char took[MARKUP_FIGURE_SIZE], text[128];

    (void)buf_printf(sheet->out, "<circle class=\"flow-call-tip\" cx=\"%d\" cy=\"%d\" r=\"4\"/>\n",
                     x, row->y - 6);
    (void)snprintf(text, sizeof(text), "%.*s%s, %s", NAME_MAX - 7, call->name,
                   strlen(call->name) > NAME_MAX - 7 ? "…" : "",
                   markup_us(call->end_us - call->start_us, took));
    put(sheet->out, left ? x - 12 : x + 12, row->y - 2, left ? "flow-soft flow-end" : "flow-soft",
        text, 0);
}

static void draw_rows(const struct sheet *sheet) {
    uint64_t start_us = sheet->flow->has_root ? sheet->flow->start_us : sheet->rows[0].at_us;

    put(sheet->out, TIME_X, HEAD_Y + 37, "flow-time", "ms since t0", 0);
    for (size_t i = 0; i < sheet->count; i++) {
        const struct row *row = &sheet->rows[i];
        const struct flow_call *call = &sheet->flow->calls[row->call];
        char offset[MARKUP_FIGURE_SIZE];
        double ms = ((double)row->at_us - (double)start_us) / 1000;
        (void)snprintf(offset, sizeof(offset), "%.*f", ms < 10000 ? 2 : 0, ms);
        put(sheet->out, TIME_X, row->y - 2, "flow-time", offset, 0);
        if (call->from == call->to) {
            draw_work(sheet, row);
        } else {
            draw_call(sheet, row);
        }
    }
}

void flow_draw(const struct flow *flow, struct buf *out) {
    AUTO(sheet_done) struct sheet sheet = {.flow = flow, .out = out};
    char note[96];

    if (!sheet_rows(&sheet)) {
        out->failed = true;
        return;
    }
    sheet_columns(&sheet);
    sheet_bands(&sheet);
    open_svg(out, sheet.width, sheet.bottom + 44, "Message sequence of one enrolment");
    draw_title(&sheet);
    draw_bands(&sheet);
    draw_lifelines(&sheet);
    draw_bars(&sheet);
    draw_rows(&sheet);
    (void)snprintf(note, sizeof(note), "Rows are in order of time, not to scale.%s",
                   flow->left_out > 0 ? " Further messages are left out." : "");
    put(out, STEP_X, sheet.bottom + 26, "flow-soft", note, 0);
    (void)buf_text(out, "</svg>\n");
}

void flow_draw_none(const char *sentence, struct buf *out) {
    open_svg(out, 720, 120, sentence);
    put(out, STEP_X, 32, "flow-title", "One enrolment, message by message", 0);
    put(out, STEP_X, 62, "flow-soft", sentence, 0);
    (void)buf_text(out, "</svg>\n");
}
