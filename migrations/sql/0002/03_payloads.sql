-- References go with the invocations that they belong to, a week at a time. After the functions: one
-- of the revision before looked into the table. It has no rows, unless this revision was undone.
create temporary table kept_refs on commit drop as select * from {schema}.payload_ref;
drop table {schema}.payload_ref;
create table {schema}.payload_ref (
    app_id        text  not null,
    sha256        bytea not null,
    invocation_id uuid  not null,
    -- collect: whether anybody refers to it (and the foreign key, when it is removed)
    primary key (app_id, sha256, invocation_id),
    -- What somebody refers to cannot be removed.
    foreign key (app_id, sha256) references {schema}.payload
) partition by range (invocation_id);
-- prune: what an invocation refers to. An expression, or plans made while the table was empty would read the
-- primary key from one end to the other.
create index payload_ref_invocation_idx on {schema}.payload_ref (uuid_send(invocation_id));
select {schema}.ensure_partitions();
insert into {schema}.payload_ref (app_id, sha256, invocation_id)
select r.app_id, r.sha256, r.invocation_id
from pg_temp.kept_refs r join {schema}.invocation i on i.invocation_id = r.invocation_id;
drop table pg_temp.kept_refs;

-- They come compressed, if that is of use.
alter table {schema}.payload alter column bytes set storage external;
