# SPDX-License-Identifier: GPL-2.0-or-later
"""Exports scikit-learn models to ONNX (opset 13, ai.onnx.ml 3): to_onnx(model, n_features).

Takes a pipeline of StandardScaler, MinMaxScaler, Normalizer, Binarizer or SimpleImputer before one of: decision trees, random
forests and extra trees (classifiers and regressors), GradientBoosting (classifier with log loss, regressor with squared error),
LogisticRegression, linear regressions, SVC(kernel='linear'), MLPClassifier, MLPRegressor. Anything else raises TypeError.

The model takes X, float [N, n_features]; classifiers give label [N] and probabilities [N, classes] (SVC: scores of the pairs of
classes), regressors value [N, targets]. Needs numpy and onnx (Debian: python3-numpy, python3-onnx).
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML = 'ai.onnx.ml'


def floor32(x):
    """The largest float at or below x: a float is <= it where it is <= x."""
    f = np.asarray(x, np.float64).astype(np.float32)
    return np.where(f > x, np.nextafter(f, np.float32(-np.inf)), f)


class Graph:
    """Nodes in order, and the constants that they take."""

    def __init__(self):
        self.nodes, self.constants, self.at = [], [], 'X'

    def add(self, op, *inputs, outputs=None, domain='', **attributes):
        outputs = outputs or [f'{op}_{len(self.nodes)}']
        self.nodes.append(helper.make_node(op, list(inputs or [self.at]), outputs, name=outputs[0], domain=domain, **attributes))
        self.at = outputs[0]
        return self.at

    def constant(self, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), f'constant_{len(self.constants)}'))
        return self.constants[-1].name


def trees(prefix, estimators, votes):
    """The lists of a tree ensemble: votes(tree, leaf) gives what one leaf adds to the scores 0, 1, ..."""
    a = {f'nodes_{k}': [] for k in ('treeids', 'nodeids', 'featureids', 'values', 'modes', 'truenodeids', 'falsenodeids')}
    a |= {f'{prefix}_{k}': [] for k in ('treeids', 'nodeids', 'ids', 'weights')}
    for t, estimator in enumerate(estimators):
        tree = estimator.tree_
        branch = tree.children_left >= 0
        a['nodes_treeids'] += [t] * tree.node_count
        a['nodes_nodeids'] += range(tree.node_count)
        a['nodes_featureids'] += np.where(branch, tree.feature, 0).tolist()
        a['nodes_values'] += np.where(branch, floor32(tree.threshold), 0).tolist()
        a['nodes_modes'] += ['BRANCH_LEQ' if b else 'LEAF' for b in branch]
        a['nodes_truenodeids'] += np.where(branch, tree.children_left, 0).tolist()
        a['nodes_falsenodeids'] += np.where(branch, tree.children_right, 0).tolist()
        if hasattr(tree, 'missing_go_to_left'):  # since 1.3
            key = 'nodes_missing_value_tracks_true'
            a[key] = a.get(key, []) + np.where(branch, tree.missing_go_to_left, 0).tolist()
        for leaf in np.flatnonzero(~branch):
            for score, weight in votes(t, leaf):
                for key, value in (('treeids', t), ('nodeids', int(leaf)), ('ids', score), ('weights', float(weight))):
                    a[f'{prefix}_{key}'].append(value)
    return a


def labels(model, key):
    classes = model.classes_
    if classes.dtype.kind in 'iub':
        return {f'classlabels_{key}': [int(c) for c in classes]}
    return {'classlabels_strings': [str(c) for c in classes]}


def forest_classifier(g, model, estimators):
    def votes(t, leaf):
        p = estimators[t].tree_.value[leaf, 0]
        p = p / p.sum() / len(estimators)
        return [(0, p[1])] if len(p) == 2 else enumerate(p)  # one score for two classes: that of the second

    g.add('TreeEnsembleClassifier', outputs=['label', 'probabilities'], domain=ML, post_transform='NONE',
          **trees('class', estimators, votes), **labels(model, 'int64s'))


def forest_regressor(g, model, estimators):
    g.add('TreeEnsembleRegressor', outputs=['value'], domain=ML, n_targets=int(model.n_outputs_), aggregate_function='AVERAGE',
          **trees('target', estimators, lambda t, leaf: enumerate(estimators[t].tree_.value[leaf, :, 0])))


def boosting(g, model, width):
    estimators, scores = model.estimators_.ravel(), model.estimators_.shape[1]
    base = np.ravel(model._raw_predict_init(np.zeros((1, width), np.float32))).astype(float).tolist()
    votes = (lambda t, leaf: [(t % scores, model.learning_rate * estimators[t].tree_.value[leaf, 0, 0])])
    if not hasattr(model, 'classes_'):
        if model.loss != 'squared_error':
            raise TypeError(f'loss {model.loss} is not supported')
        g.add('TreeEnsembleRegressor', outputs=['value'], domain=ML, n_targets=1, base_values=base, **trees('target', estimators, votes))
        return
    if model.loss == 'exponential':
        raise TypeError('loss exponential is not supported')
    g.add('TreeEnsembleClassifier', outputs=['label', 'probabilities'], domain=ML, base_values=base,
          post_transform='LOGISTIC' if scores == 1 else 'SOFTMAX', **trees('class', estimators, votes), **labels(model, 'int64s'))


def logistic(g, model):
    coef, intercept = model.coef_, np.broadcast_to(model.intercept_, len(model.coef_))
    kind = getattr(model, 'multi_class', 'auto')
    separate = kind == 'ovr' or kind != 'multinomial' and (len(coef) == 1 or model.solver == 'liblinear')
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
    many = separate and len(coef) > 2
    g.add('LinearClassifier', outputs=['label', 'scores' if many else 'probabilities'], domain=ML, coefficients=coef.ravel().tolist(),
          intercepts=intercept.tolist(), post_transform='LOGISTIC' if separate else 'SOFTMAX', **labels(model, 'ints'))
    if many:
        g.add('Normalizer', 'scores', outputs=['probabilities'], domain=ML, norm='L1')


def svc(g, model):
    if model.kernel != 'linear' or model.probability or not isinstance(model.support_vectors_, np.ndarray):
        raise TypeError("SVC: only kernel='linear', probability=False on dense data is supported")
    g.add('SVMClassifier', outputs=['label', 'probabilities'], domain=ML, kernel_type='LINEAR',
          support_vectors=model.support_vectors_.ravel().tolist(), coefficients=model._dual_coef_.ravel().tolist(),
          rho=model._intercept_.tolist(), vectors_per_class=[int(n) for n in model.n_support_], **labels(model, 'ints'))


def mlp(g, model):
    function = {'relu': 'Relu', 'tanh': 'Tanh', 'logistic': 'Sigmoid', 'identity': None}[model.activation]
    layers = [(w.astype(np.float32), b.astype(np.float32)) for w, b in zip(model.coefs_, model.intercepts_)]
    classifier = hasattr(model, 'classes_')
    if classifier and model.out_activation_ == 'logistic':
        if len(model.classes_) != 2:
            raise TypeError('MLPClassifier with several labels for one row is not supported')
        w, b = layers[-1]  # sigmoid(z) is the second of softmax(0, z)
        layers[-1] = np.hstack([np.zeros_like(w), w]), np.hstack([np.zeros_like(b), b])
    for i, (w, b) in enumerate(layers):
        last = i + 1 == len(layers)
        name = ['value'] if last and not classifier else None
        g.add('Gemm', g.at, g.constant(w), g.constant(b), outputs=name)
        if function and not last:
            g.add(function)
    if classifier:
        g.add('Softmax', outputs=['probabilities'], axis=1)
        index = g.add('ArgMax', 'probabilities', axis=1, keepdims=0)
        classes = model.classes_.astype(np.int64 if model.classes_.dtype.kind in 'iub' else object)
        g.add('Gather', g.constant(classes), index, outputs=['label'], axis=0)


def prepare(g, step):
    name = type(step).__name__
    if name == 'StandardScaler':
        width = step.n_features_in_
        offset = step.mean_ if step.with_mean else np.zeros(width)
        scale = 1 / step.scale_ if step.with_std else np.ones(width)
        g.add('Scaler', domain=ML, offset=offset.tolist(), scale=scale.tolist())
    elif name == 'MinMaxScaler' and not step.clip:
        g.add('Scaler', domain=ML, offset=(-step.min_ / step.scale_).tolist(), scale=step.scale_.tolist())
    elif name == 'Normalizer':
        g.add('Normalizer', domain=ML, norm=step.norm.upper())
    elif name == 'Binarizer':
        g.add('Binarizer', domain=ML, threshold=float(step.threshold))
    elif name == 'SimpleImputer' and not step.add_indicator and not np.isnan(step.statistics_).any():
        g.add('Imputer', domain=ML, imputed_value_floats=step.statistics_.tolist(), replaced_value_float=float(step.missing_values))
    elif step not in ('passthrough', None):
        raise TypeError(f'{step} is not supported')


def finish(g, model, width):
    name = type(model).__name__
    if name in ('DecisionTreeClassifier', 'ExtraTreeClassifier'):
        forest_classifier(g, model, [model])
    elif name in ('RandomForestClassifier', 'ExtraTreesClassifier'):
        forest_classifier(g, model, model.estimators_)
    elif name in ('DecisionTreeRegressor', 'ExtraTreeRegressor'):
        forest_regressor(g, model, [model])
    elif name in ('RandomForestRegressor', 'ExtraTreesRegressor'):
        forest_regressor(g, model, model.estimators_)
    elif name in ('GradientBoostingClassifier', 'GradientBoostingRegressor'):
        boosting(g, model, width)
    elif name == 'LogisticRegression':
        logistic(g, model)
    elif name in ('LinearRegression', 'Ridge', 'Lasso', 'ElasticNet'):
        coef = np.atleast_2d(model.coef_)
        g.add('LinearRegressor', outputs=['value'], domain=ML, targets=len(coef), coefficients=coef.ravel().tolist(),
              intercepts=np.broadcast_to(model.intercept_, len(coef)).tolist())
    elif name == 'SVC':
        svc(g, model)
    elif name in ('MLPClassifier', 'MLPRegressor'):
        mlp(g, model)
    else:
        raise TypeError(f'{name} is not supported')


def to_onnx(model, n_features, name='model'):
    """model: fitted. Returns a ModelProto: write its SerializeToString() to a file."""
    steps = [step for _, step in model.steps] if hasattr(model, 'steps') else [model]
    g = Graph()
    for step in steps[:-1]:
        prepare(g, step)
    finish(g, steps[-1], n_features)
    if hasattr(steps[-1], 'classes_'):
        kind = TensorProto.INT64 if steps[-1].classes_.dtype.kind in 'iub' else TensorProto.STRING
        outputs = [('label', kind, ['N']), ('probabilities', TensorProto.FLOAT, ['N', None])]
    else:
        outputs = [('value', TensorProto.FLOAT, ['N', None])]
    graph = helper.make_graph(
        g.nodes, name, [helper.make_tensor_value_info('X', TensorProto.FLOAT, ['N', n_features])],
        [helper.make_tensor_value_info(*o) for o in outputs], initializer=g.constants)
    return helper.make_model(graph, producer_name='aikmd', ir_version=7,
                             opset_imports=[helper.make_opsetid('', 13), helper.make_opsetid(ML, 3)])
