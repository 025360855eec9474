-- What the MLflow door adds to the registry: where a version came from, the stage it is in, why it can't be served, and models that
-- were deleted, whose rows stay for the history of their aliases and the reports about their traffic.

alter table registered_models add column deleted_at bigint;

-- `location` is where the files are when they are not kept here, `unservable` why no server loads the version; empty otherwise.
alter table model_versions add column source text not null default '';
alter table model_versions add column location text not null default '';
alter table model_versions add column run_link text not null default '';
alter table model_versions add column logged_model_id text;
alter table model_versions add column stage text not null default 'None' check (stage in ('None', 'Staging', 'Production', 'Archived'));
alter table model_versions add column unservable text not null default '';
update model_versions set source = 'runs:/' || run_id || '/model' where run_id is not null;

create index model_versions_by_stage on model_versions (model_id, stage, version);
create index model_versions_by_update on model_versions (workspace, updated_at);
create index registered_models_by_update on registered_models (workspace, updated_at);
create index model_tags_by_key on model_tags (key, model_id);
create index model_version_tags_by_key on model_version_tags (key, model_version_id);
