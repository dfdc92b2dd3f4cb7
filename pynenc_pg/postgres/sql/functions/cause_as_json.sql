-- A cause as it is kept in trigger_run, with those that go with it. Internal.
create or replace function {schema}.cause_as_json(p_cause {schema}.trigger_cause) returns json
language sql stable
return (
    select json_agg(json_build_object(
        'condition_id', c.condition_id, 'source_id', c.source_id, 'rev', c.rev, 'status', c.status,
        'at', c.at) order by c.at, c.cause_id)
    from {schema}.trigger_cause c where c.cause_id = any (p_cause.partners || p_cause.cause_id));
