-- Notes for each trigger that watches it that an invocation has got a status: in the transaction in which
-- it did. Called by the triggers of the guard, where somebody watches such a status at all. Internal.
create or replace function {schema}.record_causes(
    p_ids uuid[], p_revs integer[], p_statuses text[], p_ats timestamptz[]
) returns void language plpgsql as $$
declare
    v_app     text;
    v_watched text[];
begin
    -- By task, which are few: most of what is asked about here is nobody's.
    v_watched := array(
        select t.task_id from (
            select distinct i.app_id, i.task_id from {schema}.invocation i where i.invocation_id = any (p_ids)) t
        where exists (
            select from (select distinct status from unnest(p_statuses) status) c
            cross join lateral (
                select from {schema}.trigger_watch w
                where w.app_id = t.app_id and w.what = c.status and w.about = t.task_id limit 1) w));
    if v_watched = '{}' then
        return;
    end if;
    for v_app in
        with noted as (
            insert into {schema}.trigger_cause (app_id, trigger_id, condition_id, source_id, rev, status, at)
            select i.app_id, w.trigger_id, w.condition_id, c.id, c.rev, c.status::{schema}.invocation_status, c.at
            from unnest(p_ids, p_revs, p_statuses, p_ats) c (id, rev, status, at)
            cross join lateral (
                select i.app_id, i.task_id, i.arguments from {schema}.invocation i
                where i.invocation_id = c.id offset 0) i
            cross join lateral (
                select w.* from {schema}.trigger_watch w
                where w.app_id = i.app_id and w.what = c.status and w.about = i.task_id offset 0) w
            where i.task_id = any (v_watched)
              and (w.filter is null
                   or {schema}.may_meet(w.filter->'arguments', i.arguments)
                      and (w.filter->'result' is null or {schema}.may_meet(w.filter->'result', (
                          select o.value from {schema}.invocation_outcome o where o.invocation_id = c.id offset 0))))
            on conflict do nothing
            returning trigger_cause.app_id
        )
        select distinct n.app_id from noted n
    loop
        perform {schema}.notify(v_app, 'cause');
    end loop;
end $$;
