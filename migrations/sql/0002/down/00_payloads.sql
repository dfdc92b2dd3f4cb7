-- Before the functions: one of the revision before looks into the table.
create temporary table kept_refs on commit drop as select * from {schema}.payload_ref;
drop table {schema}.payload_ref;
create table {schema}.payload_ref (
    app_id        text  not null,
    sha256        bytea not null,
    invocation_id uuid  not null,
    primary key (app_id, sha256, invocation_id),
    foreign key (app_id, sha256) references {schema}.payload
);
create index payload_ref_invocation_idx on {schema}.payload_ref (invocation_id);
insert into {schema}.payload_ref table pg_temp.kept_refs;
drop table pg_temp.kept_refs;
alter table {schema}.payload alter column bytes set storage extended;
