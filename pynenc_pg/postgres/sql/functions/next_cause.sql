-- Seconds until a cause is to be looked at, of the triggers that the caller has (null: of any) and that
-- are not paused; null: there is none.
create or replace function {schema}.next_cause(
    p_app text, p_triggers text[] default null, p_versions text[] default null
) returns double precision language plpgsql stable {definer} as $$
begin
    return (select extract(epoch from min(c.due_at) - clock_timestamp())::double precision
    from unnest(triggers_with_causes(p_app)) n (id)
    cross join lateral (
        select d.trigger_id, d.version from trigger_definition d
        where d.app_id = p_app and d.trigger_id = n.id and d.paused_at is null and d.removed_at is null
        offset 0) d
    cross join lateral (
        select c.due_at from trigger_cause c
        where c.app_id = p_app and c.trigger_id = n.id and c.state = 'new' order by c.due_at limit 1) c
    where p_triggers is null or d.version = p_versions[array_position(p_triggers, d.trigger_id)]);
end $$;
