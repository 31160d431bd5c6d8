"""Training: an estimator by name, a fit that repeats bit for bit, a model folder whose bytes are content alone.

estimators.resolve_estimator   a class by its import path, its parameters checked
train.train                    rows and a transformer to Pipeline(transform, estimator)
model.save_model, load_model   the payload of a Model artifact; audited before anything of it is built
predict.predict_scores         what evaluation, infra validation and serving call
"""
