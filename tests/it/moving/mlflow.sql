-- The tables of MLflow's database that an import reads, with the columns that it reads, and a few rows.
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('test');
create table experiments (
    experiment_id integer primary key, name varchar(256) not null, artifact_location varchar(256), lifecycle_stage varchar(32),
    creation_time bigint, last_update_time bigint, workspace varchar(63) default 'default' not null);
create table experiment_tags (key varchar(250) not null, value varchar(5000), experiment_id integer not null, primary key (key, experiment_id));
create table runs (
    run_uuid varchar(32) primary key, name varchar(250), source_type varchar(20), source_name varchar(500), entry_point_name varchar(50),
    user_id varchar(256), status varchar(9), start_time bigint, end_time bigint, source_version varchar(50), lifecycle_stage varchar(20),
    artifact_uri varchar(200), experiment_id integer, deleted_time bigint);
create table params (key varchar(250) not null, value varchar(8000) not null, run_uuid varchar(32) not null, primary key (key, run_uuid));
create table tags (key varchar(250) not null, value varchar(8000), run_uuid varchar(32) not null, primary key (key, run_uuid));
create table metrics (
    key varchar(250) not null, value double precision not null, timestamp bigint not null, run_uuid varchar(32) not null,
    step bigint default 0 not null, is_nan boolean default false not null, primary key (key, timestamp, step, run_uuid, value, is_nan));
create table latest_metrics (
    key varchar(250) not null, value double precision not null, timestamp bigint, step bigint not null, is_nan boolean not null,
    run_uuid varchar(32) not null, primary key (key, run_uuid));
create table datasets (
    dataset_uuid varchar(36) not null, experiment_id integer not null, name varchar(500) not null, digest varchar(36) not null,
    dataset_source_type varchar(36) not null, dataset_source text not null, dataset_schema text, dataset_profile text,
    primary key (experiment_id, name, digest));
create table inputs (
    input_uuid varchar(36) not null, source_type varchar(36) not null, source_id varchar(36) not null,
    destination_type varchar(36) not null, destination_id varchar(36) not null,
    primary key (source_type, source_id, destination_type, destination_id));
create table input_tags (input_uuid varchar(36) not null, name varchar(255) not null, value varchar(500) not null, primary key (input_uuid, name));
create table registered_models (
    name varchar(256) not null, creation_time bigint, last_updated_time bigint, description varchar(5000),
    workspace varchar(63) default 'default' not null, primary key (workspace, name));
create table registered_model_tags (
    workspace varchar(63) default 'default' not null, name varchar(256) not null, key varchar(250) not null, value varchar(5000),
    primary key (workspace, key, name));
create table registered_model_aliases (
    alias varchar(256) not null, version integer not null, name varchar(256) not null,
    workspace varchar(63) default 'default' not null, primary key (workspace, name, alias));
create table model_versions (
    name varchar(256) not null, version integer not null, creation_time bigint, last_updated_time bigint, description varchar(5000),
    user_id varchar(256), current_stage varchar(20), source varchar(500), run_id varchar(32), status varchar(20),
    status_message varchar(500), run_link varchar(500), storage_location varchar(500),
    workspace varchar(63) default 'default' not null, primary key (workspace, name, version));
create table model_version_tags (
    workspace varchar(63) default 'default' not null, name varchar(256) not null, version integer not null, key varchar(250) not null,
    value varchar(5000), primary key (workspace, key, name, version));

insert into experiments values (0, 'Default', 'FILES/0', 'active', 1000, 1000, 'default');
insert into experiments values (1, 'tides', 'FILES/1', 'active', 2000, 2500, 'default');
insert into experiments values (2, 'tides', 'FILES/2', 'deleted', 3000, 3500, 'default');
insert into experiments values (3, 'elsewhere', 'FILES/3', 'active', 4000, 4000, 'other');
insert into experiment_tags values ('team', 'sea', 1);
insert into runs values ('a0000000000000000000000000000001', 'first', 'LOCAL', 'a.py', '', 'ann', 'FINISHED', 100, 200, '', 'active', 'FILES/1/a0000000000000000000000000000001/artifacts', 1, null);
insert into runs values ('a0000000000000000000000000000002', 'second', 'LOCAL', '', '', null, 'RUNNING', 150, null, '', 'active', 'FILES/1/a0000000000000000000000000000002/artifacts', 1, null);
insert into runs values ('a0000000000000000000000000000003', 'gone', 'LOCAL', '', '', 'bob', 'KILLED', 160, 170, '', 'deleted', 'FILES/1/a0000000000000000000000000000003/artifacts', 1, 999);
insert into runs values ('a0000000000000000000000000000004', 'of a deleted one', 'LOCAL', '', '', 'bob', 'FAILED', 180, 190, '', 'deleted', 'FILES/2/a0000000000000000000000000000004/artifacts', 2, 999);
insert into runs values ('a0000000000000000000000000000005', 'of another workspace', 'LOCAL', '', '', 'bob', 'FAILED', 180, 190, '', 'active', 'FILES/3/a0000000000000000000000000000005/artifacts', 3, null);
insert into runs values ('a0000000000000000000000000000006', 'default', 'LOCAL', '', '', 'ann', 'FINISHED', 1, 2, '', 'active', 'FILES/0/a0000000000000000000000000000006/artifacts', 0, null);
insert into params values ('lr', '0.01', 'a0000000000000000000000000000001');
insert into params values ('empty', '', 'a0000000000000000000000000000001');
insert into tags values ('mlflow.runName', 'first', 'a0000000000000000000000000000001');
insert into tags values ('mlflow.source.name', 'a.py', 'a0000000000000000000000000000001');
insert into tags values ('mlflow.parentRunId', 'a0000000000000000000000000000001', 'a0000000000000000000000000000002');
insert into metrics values ('loss', 1.5, 101, 'a0000000000000000000000000000001', 0, false);
insert into metrics values ('loss', 0.5, 102, 'a0000000000000000000000000000001', 1, false);
insert into metrics values ('loss', 0, 103, 'a0000000000000000000000000000001', 2, true);
insert into metrics values ('big', 1.7976931348623157e308, 103, 'a0000000000000000000000000000001', -2, false);
insert into metrics values ('big', 0.1, 103, 'a0000000000000000000000000000001', -2, false);
insert into latest_metrics values ('loss', 0, 103, 2, true, 'a0000000000000000000000000000001');
insert into latest_metrics values ('big', 1.7976931348623157e308, 103, -2, false, 'a0000000000000000000000000000001');
insert into datasets values ('d1', 1, 'waves', 'abc', 'local', '{"uri": "x"}', '{}', null);
insert into inputs values ('i1', 'DATASET', 'd1', 'RUN', 'a0000000000000000000000000000001');
insert into input_tags values ('i1', 'mlflow.data.context', 'training');
insert into registered_models values ('tide', 500, 900, 'a model', 'default');
insert into registered_models values ('foreign', 500, 900, null, 'other');
insert into registered_model_tags values ('default', 'tide', 'team', 'sea');
insert into registered_model_aliases values ('champion', 4, 'tide', 'default');
insert into model_versions values ('tide', 2, 510, 520, 'second', 'ann', 'Production', 'FILES/1/a0000000000000000000000000000001/artifacts/model', 'a0000000000000000000000000000001', 'READY', null, '', null, 'default');
insert into model_versions values ('tide', 3, 530, 540, null, null, 'Deleted_Internal', 'gone', null, 'READY', null, null, null, 'default');
insert into model_versions values ('tide', 4, 550, 560, null, 'bob', 'None', 's3://bucket/elsewhere', null, 'READY', null, null, null, 'default');
insert into model_version_tags values ('default', 'tide', 4, 'k', 'v');
