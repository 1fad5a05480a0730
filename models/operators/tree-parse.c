/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/tree.h"

#define NOWHERE UINT32_MAX

/* The node's lists: entry i of each nodes_… is node i, entry i of the others vote i. */
typedef struct Source {
        size_t n;
        Ints tree, id, feature, yes, no, missing;
        Strings mode;
        Numbers threshold;
        size_t n_votes;
        const char *kind; /* "class" or "target", as the votes' attributes begin */
        Ints vote_tree, vote_node, vote_target;
        Numbers vote_weight;
} Source;

/* Node `at` of the lists. Sorted by tree and id, they find a node by its ids. */
typedef struct Key {
        int64_t tree;
        int64_t id;
        uint32_t at;
} Key;

typedef struct Parser {
        Source source;
        Key *keys;       /* [n] sorted */
        uint32_t *place; /* [n] where in the ensemble's nodes key i went, or NOWHERE */
        uint32_t *from;  /* [n] the other way: key of the ensemble's node i */
        uint32_t *first; /* [trees + 1] index of the first key of tree i */
        uint32_t *voter; /* [votes] the ensemble's node that vote i is for */
        TreeEnsemble *ensemble;
        Error *error;
} Parser;

static void parser_done(Parser *p) {
        free(p->keys);
        free(p->place);
        free(p->from);
        free(p->first);
        free(p->voter);
        tree_ensemble_free(p->ensemble);
}

TreeEnsemble *tree_ensemble_free(TreeEnsemble *t) {
        if (!t)
                return NULL;
        free(t->nodes);
        free(t->trees);
        free(t->votes);
        free(t->base);
        free(t);
        return NULL;
}

static int check_length(size_t n, size_t wanted, const char *prefix, const char *name, Error *e) {
        if (n == wanted)
                return 0;
        return error_set(e, -EINVAL, "attribute %s_%s has %zu elements, but %s_treeids has %zu",
                         prefix, name, n, prefix, wanted);
}

static int read_nodes(const Node *n, Source *s, Error *e) {
        int r;

        s->tree = node_ints(n, "nodes_treeids");
        s->id = node_ints(n, "nodes_nodeids");
        s->feature = node_ints(n, "nodes_featureids");
        s->yes = node_ints(n, "nodes_truenodeids");
        s->no = node_ints(n, "nodes_falsenodeids");
        s->missing = node_ints(n, "nodes_missing_value_tracks_true");
        s->mode = node_strings(n, "nodes_modes");
        s->n = s->tree.n;
        if (s->n == 0)
                return error_set(e, -EINVAL, "attribute nodes_treeids is empty: there is no tree");
        if (s->n > TREE_NODES_MAX)
                return error_set(e, -EINVAL, "%zu tree nodes, but at most %zu are taken", s->n,
                                 TREE_NODES_MAX);
        r = node_numbers(n, "nodes_values", &s->threshold, e);
        if (r < 0)
                return r;
        {
                const struct {
                        const char *name;
                        size_t n;
                } lists[] = {
                        {"nodeids", s->id.n},
                        {"featureids", s->feature.n},
                        {"modes", s->mode.n},
                        {"truenodeids", s->yes.n},
                        {"falsenodeids", s->no.n},
                        {"values", s->threshold.n},
                        {"missing_value_tracks_true", s->missing.n ? s->missing.n : s->n},
                };

                for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                        r = check_length(lists[i].n, s->n, "nodes", lists[i].name, e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int read_votes(const Node *n, Source *s, Error *e) {
        char name[64];
        int r;

        snprintf(name, sizeof(name), "%s_treeids", s->kind);
        s->vote_tree = node_ints(n, name);
        snprintf(name, sizeof(name), "%s_nodeids", s->kind);
        s->vote_node = node_ints(n, name);
        snprintf(name, sizeof(name), "%s_ids", s->kind);
        s->vote_target = node_ints(n, name);
        snprintf(name, sizeof(name), "%s_weights", s->kind);
        r = node_numbers(n, name, &s->vote_weight, e);
        if (r < 0)
                return r;
        s->n_votes = s->vote_tree.n;
        if (s->n_votes >= NOWHERE)
                return error_set(e, -EINVAL, "attribute %s_treeids has too many elements", s->kind);
        r = check_length(s->vote_node.n, s->n_votes, s->kind, "nodeids", e);
        if (r < 0)
                return r;
        r = check_length(s->vote_target.n, s->n_votes, s->kind, "ids", e);
        if (r < 0)
                return r;
        return check_length(s->vote_weight.n, s->n_votes, s->kind, "weights", e);
}

static int compare_keys(const void *a, const void *b) {
        const Key *x = a, *y = b;

        if (x->tree != y->tree)
                return x->tree < y->tree ? -1 : 1;
        return x->id < y->id ? -1 : x->id > y->id;
}

/* Fills keys and first, and makes the trees. */
static int sort_nodes(Parser *p) {
        const Source *s = &p->source;
        TreeEnsemble *t = p->ensemble;
        bool sorted = true;

        for (size_t i = 0; i < s->n; i++) {
                p->keys[i] = (Key){s->tree.x[i], s->id.x[i], (uint32_t)i};
                sorted = sorted && (i == 0 || compare_keys(p->keys + i - 1, p->keys + i) < 0);
        }
        if (!sorted)
                qsort(p->keys, s->n, sizeof(*p->keys), compare_keys);
        for (size_t i = 1; i < s->n; i++)
                if (compare_keys(p->keys + i - 1, p->keys + i) == 0)
                        return error_set(p->error, -EINVAL,
                                         "nodes_nodeids[%zu]: node %" PRId64 " of tree %" PRId64
                                         " is there twice",
                                         (size_t)MAX(p->keys[i - 1].at, p->keys[i].at),
                                         p->keys[i].id, p->keys[i].tree);
        for (size_t i = 0; i < s->n; i++)
                if (i == 0 || p->keys[i].tree != p->keys[i - 1].tree)
                        p->first[t->n_trees++] = (uint32_t)i;
        p->first[t->n_trees] = (uint32_t)s->n;
        t->trees = calloc(t->n_trees, sizeof(*t->trees));
        return t->trees ? 0 : -ENOMEM;
}

/* The key of a node of a tree, or NOWHERE. Ids that leave none out need no search. */
static uint32_t find_node(const Parser *p, size_t tree, int64_t id) {
        uint32_t low = p->first[tree], high = p->first[tree + 1];
        int64_t least = p->keys[low].id, most = p->keys[high - 1].id;

        if (id < least || id > most)
                return NOWHERE;
        if ((uint64_t)most - (uint64_t)least == (uint64_t)(high - 1 - low))
                return low + (uint32_t)((uint64_t)id - (uint64_t)least);
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (p->keys[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < p->first[tree + 1] && p->keys[low].id == id ? low : NOWHERE;
}

static size_t find_tree(const Parser *p, int64_t id) {
        size_t low = 0, high = p->ensemble->n_trees;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (p->keys[p->first[middle]].tree < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < p->ensemble->n_trees && p->keys[p->first[low]].tree == id ? low : SIZE_MAX;
}

static void place_node(Parser *p, uint32_t key) {
        p->place[key] = (uint32_t)p->ensemble->n_nodes;
        p->from[p->ensemble->n_nodes++] = key;
}

static int place_child(Parser *p, size_t tree, const char *name, size_t at, int64_t id,
                       uint32_t *ret) {
        uint32_t key = find_node(p, tree, id);

        if (key == NOWHERE)
                return error_set(p->error, -EINVAL,
                                 "nodes_%s[%zu]: there is no node %" PRId64 " in tree %" PRId64,
                                 name, at, id, p->source.tree.x[at]);
        if (p->place[key] != NOWHERE)
                return error_set(p->error, -EINVAL,
                                 "nodes_%s[%zu]: node %" PRId64 " of tree %" PRId64
                                 " is its root or a child already: this is no tree",
                                 name, at, id, p->source.tree.x[at]);
        place_node(p, key);
        *ret = p->place[key];
        return 0;
}

static int parse_mode(const Parser *p, size_t at, uint8_t *ret) {
        static const char *const names[_ENSEMBLE_MODE_COUNT] = {
                [ENSEMBLE_LEQ] = "BRANCH_LEQ", [ENSEMBLE_LT] = "BRANCH_LT",
                [ENSEMBLE_GTE] = "BRANCH_GTE", [ENSEMBLE_GT] = "BRANCH_GT",
                [ENSEMBLE_EQ] = "BRANCH_EQ",   [ENSEMBLE_NEQ] = "BRANCH_NEQ",
                [ENSEMBLE_LEAF] = "LEAF",
        };

        for (int i = 0; i < _ENSEMBLE_MODE_COUNT; i++)
                if (streq(p->source.mode.x[at], names[i])) {
                        *ret = (uint8_t)i;
                        return 0;
                }
        return error_set(p->error, -EINVAL,
                         "nodes_modes[%zu] is '%.32s', but BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, "
                         "BRANCH_GT, BRANCH_EQ, BRANCH_NEQ and LEAF are what it takes",
                         at, p->source.mode.x[at]);
}

static int read_branch(Parser *p, size_t at, EnsembleNode *node) {
        const Source *s = &p->source;
        TreeEnsemble *t = p->ensemble;

        if (s->feature.x[at] < 0 || (uint64_t)s->feature.x[at] >= TREE_FEATURES_MAX)
                return error_set(p->error, -EINVAL,
                                 "nodes_featureids[%zu] is %" PRId64 ", but 0 to %zu are taken", at,
                                 s->feature.x[at], TREE_FEATURES_MAX - 1);
        node->feature = (uint32_t)s->feature.x[at];
        node->threshold = numbers_get(&s->threshold, at);
        node->missing_yes = s->missing.n > 0 && s->missing.x[at] != 0;
        if (isnan(node->threshold))
                return error_set(p->error, -EINVAL, "nodes_values[%zu] is not a number", at);
        if (node->feature >= t->n_features) {
                t->n_features = (size_t)node->feature + 1;
                t->features_at = at;
        }
        return 0;
}

/* Fills node i of the ensemble, and appends its children. */
static int expand(Parser *p, size_t tree, size_t i) {
        const Source *s = &p->source;
        EnsembleNode *node = p->ensemble->nodes + i;
        size_t at = p->keys[p->from[i]].at;
        int r;

        r = parse_mode(p, at, &node->mode);
        if (r < 0 || node->mode == ENSEMBLE_LEAF)
                return r;
        p->ensemble->other_modes |= node->mode != ENSEMBLE_LEQ;
        r = read_branch(p, at, node);
        if (r < 0)
                return r;
        r = place_child(p, tree, "truenodeids", at, s->yes.x[at], &node->yes);
        if (r < 0)
                return r;
        return place_child(p, tree, "falsenodeids", at, s->no.x[at], &node->no);
}

/* From the root down, level by level: what has been placed before can't be a child, so no node is
 * met twice. */
static int grow_tree(Parser *p, size_t tree) {
        TreeEnsemble *t = p->ensemble;
        EnsembleTree *out = t->trees + tree;
        uint32_t low = p->first[tree], high = p->first[tree + 1], root = low;
        size_t level_end;
        int r;

        for (uint32_t i = low; i < high; i++)
                if (p->keys[i].at < p->keys[root].at)
                        root = i;
        *out = (EnsembleTree){.root = (uint32_t)t->n_nodes, .n_nodes = high - low};
        place_node(p, root);
        level_end = t->n_nodes;
        for (size_t i = out->root; i < t->n_nodes; i++) {
                if (i == level_end) {
                        level_end = t->n_nodes;
                        if (++out->depth > TREE_DEPTH_MAX)
                                return error_set(p->error, -EINVAL,
                                                 "tree %" PRId64 " is deeper than %d",
                                                 p->keys[low].tree, TREE_DEPTH_MAX);
                }
                r = expand(p, tree, i);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = low; i < high; i++)
                if (p->place[i] == NOWHERE)
                        return error_set(
                                p->error, -EINVAL,
                                "nodes_nodeids[%" PRIu32 "]: node %" PRId64 " of tree %" PRId64
                                " can't be reached from node %" PRId64 ", the first of that tree",
                                p->keys[i].at, p->keys[i].id, p->keys[i].tree, p->keys[root].id);
        return 0;
}

/* Which node each vote is for; how many votes a leaf has is counted in its `no`. */
static int read_vote(Parser *p, size_t i, size_t n_targets) {
        const Source *s = &p->source;
        size_t tree = find_tree(p, s->vote_tree.x[i]);
        uint32_t key = tree == SIZE_MAX ? NOWHERE : find_node(p, tree, s->vote_node.x[i]);
        EnsembleNode *node;

        if (key == NOWHERE)
                return error_set(p->error, -EINVAL,
                                 "%s_nodeids[%zu]: there is no node %" PRId64 " in tree %" PRId64,
                                 s->kind, i, s->vote_node.x[i], s->vote_tree.x[i]);
        p->voter[i] = p->place[key];
        node = p->ensemble->nodes + p->voter[i];
        if (node->mode != ENSEMBLE_LEAF)
                return error_set(p->error, -EINVAL,
                                 "%s_nodeids[%zu]: node %" PRId64 " of tree %" PRId64 " is no leaf",
                                 s->kind, i, s->vote_node.x[i], s->vote_tree.x[i]);
        if (s->vote_target.x[i] < 0 || (uint64_t)s->vote_target.x[i] >= n_targets)
                return error_set(p->error, -EINVAL,
                                 "%s_ids[%zu] is %" PRId64 ", but 0 to %zu are taken", s->kind, i,
                                 s->vote_target.x[i], n_targets - 1);
        if (!isfinite(numbers_get(&s->vote_weight, i)))
                return error_set(p->error, -EINVAL, "%s_weights[%zu] is not finite", s->kind, i);
        node->no++;
        return 0;
}

static int read_all_votes(Parser *p, size_t n_targets) {
        const Source *s = &p->source;
        TreeEnsemble *t = p->ensemble;
        uint32_t sum = 0;
        int r;

        p->voter = calloc(s->n_votes + 1, sizeof(*p->voter));
        t->votes = calloc(s->n_votes + 1, sizeof(*t->votes));
        if (!p->voter || !t->votes)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_votes; i++) {
                r = read_vote(p, i, n_targets);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < t->n_nodes; i++) {
                EnsembleNode *node = t->nodes + i;

                if (node->mode != ENSEMBLE_LEAF)
                        continue;
                node->yes = sum;
                sum += node->no;
                node->no = node->yes; /* moves on as votes come */
        }
        for (size_t i = 0; i < s->n_votes; i++)
                t->votes[t->nodes[p->voter[i]].no++] = (EnsembleVote){
                        .score = (uint32_t)s->vote_target.x[i],
                        .weight = numbers_get(&s->vote_weight, i),
                };
        t->n_votes = s->n_votes;
        for (size_t i = 0; i < t->n_trees; i++) {
                const EnsembleTree *tree = t->trees + i;
                uint32_t most = 0;

                for (size_t k = tree->root; k < tree->root + tree->n_nodes; k++)
                        if (t->nodes[k].mode == ENSEMBLE_LEAF)
                                most = MAX(most, t->nodes[k].no - t->nodes[k].yes);
                t->cost += (size_t)tree->depth + 1 + most;
        }
        return 0;
}

/* Two classes and votes for one of them only are one score, as boosted models and scikit-learn's
 * binary trees are exported. Where the standard is silent this is what onnxruntime does; a
 * transform that the model asks for is applied, though, also where all weights are positive. */
static void find_binary(TreeEnsemble *t) {
        bool positive = true;

        if (t->labels.n != 2 || t->n_votes == 0)
                return;
        for (size_t i = 0; i < t->n_votes; i++) {
                if (t->votes[i].score != t->votes[0].score)
                        return;
                positive = positive && t->votes[i].weight >= 0;
        }
        t->binary = true;
        t->n_scores = 1;
        t->probability = t->post_transform == POST_PROBIT ||
                         (t->post_transform == POST_NONE && positive);
        t->threshold = t->probability ? 0.5 : 0;
}

static int read_base(const Node *n, TreeEnsemble *t, size_t n_targets, Error *e) {
        Numbers base;
        size_t skip = 0;
        int r;

        r = node_numbers(n, "base_values", &base, e);
        if (r < 0)
                return r;
        t->base = calloc(t->n_scores, sizeof(*t->base));
        if (!t->base)
                return -ENOMEM;
        if (base.n == 0)
                return 0;
        if (base.n != n_targets && base.n != t->n_scores)
                return error_set(e, -EINVAL,
                                 "attribute base_values has %zu elements, but there are %zu %s",
                                 base.n, n_targets, t->labels.n > 0 ? "classes" : "targets");
        for (size_t i = 0; i < base.n; i++)
                if (!isfinite(numbers_get(&base, i)))
                        return error_set(e, -EINVAL, "base_values[%zu] is not finite", i);
        if (t->binary && base.n == n_targets)
                skip = t->votes[0].score;
        for (size_t i = 0; i < t->n_scores; i++)
                t->base[i] = numbers_get(&base, i + skip);
        return 0;
}

static int read_aggregate(const Node *n, Aggregate *ret, Error *e) {
        static const char *const names[_AGGREGATE_COUNT] = {
                [AGGREGATE_SUM] = "SUM",
                [AGGREGATE_AVERAGE] = "AVERAGE",
                [AGGREGATE_MIN] = "MIN",
                [AGGREGATE_MAX] = "MAX",
        };
        const char *name = attribute_string(n, "aggregate_function", "SUM");

        for (int i = 0; i < _AGGREGATE_COUNT; i++)
                if (streq(name, names[i])) {
                        *ret = (Aggregate)i;
                        return 0;
                }
        return error_set(e, -EINVAL,
                         "attribute aggregate_function is '%.32s', but SUM, AVERAGE, MIN and MAX "
                         "are what it takes",
                         name);
}

/* How many classes or targets there are, and what becomes of their scores. */
static int read_targets(const Node *n, bool classifier, TreeEnsemble *t, Error *e) {
        int64_t targets;
        int r;

        r = node_post_transform(n, &t->post_transform, e);
        if (r < 0)
                return r;
        if (classifier) {
                r = node_labels(n, "classlabels_int64s", &t->labels, e);
                t->n_scores = t->labels.n;
                return r;
        }
        targets = attribute_int(n, "n_targets", 1);
        if (targets < 1 || (uint64_t)targets > LABELS_MAX)
                return error_set(e, -EINVAL,
                                 "attribute n_targets is %" PRId64 ", but 1 to %zu are taken",
                                 targets, LABELS_MAX);
        t->n_scores = (size_t)targets;
        return read_aggregate(n, &t->aggregate, e);
}

int tree_ensemble_parse(const Node *n, TreeEnsemble **ret, Error *e) {
        _cleanup_(parser_done)
        Parser p = {.error = e};
        bool classifier = streq(n->op->name, "TreeEnsembleClassifier");
        size_t n_targets;
        TreeEnsemble *t;
        int r;

        p.source.kind = classifier ? "class" : "target";
        t = p.ensemble = calloc(1, sizeof(*p.ensemble));
        if (!t)
                return -ENOMEM;
        r = read_targets(n, classifier, t, e);
        if (r < 0)
                return r;
        n_targets = t->n_scores;
        r = read_nodes(n, &p.source, e);
        if (r < 0)
                return r;
        r = read_votes(n, &p.source, e);
        if (r < 0)
                return r;
        p.keys = calloc(p.source.n, sizeof(*p.keys));
        p.place = calloc(p.source.n, sizeof(*p.place));
        p.from = calloc(p.source.n, sizeof(*p.from));
        p.first = calloc(p.source.n + 1, sizeof(*p.first));
        t->nodes = calloc(p.source.n, sizeof(*t->nodes));
        if (!p.keys || !p.place || !p.from || !p.first || !t->nodes)
                return -ENOMEM;
        memset(p.place, 0xff, p.source.n * sizeof(*p.place));
        r = sort_nodes(&p);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->n_trees; i++) {
                r = grow_tree(&p, i);
                if (r < 0)
                        return r;
        }
        r = read_all_votes(&p, n_targets);
        if (r < 0)
                return r;
        find_binary(t);
        r = read_base(n, t, n_targets, e);
        if (r < 0)
                return r;
        for (size_t i = 0; t->binary && i < t->n_votes; i++)
                t->votes[i].score = 0;
        *ret = TAKE_PTR(p.ensemble);
        return 0;
}
