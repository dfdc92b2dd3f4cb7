-- Where the run of an invocation stands; no row if it is unknown.
create or replace function {schema}.workflow_info(p_app text, p_id uuid)
returns table (
    invocation_id uuid, task_id text, workflow_id uuid, parent_workflow_id uuid, began_at timestamptz,
    paused_at timestamptz, pause_reason text, forked_from uuid, steps integer
) language plpgsql stable {definer} as $$
begin
    return query
    select i.invocation_id, i.task_id, coalesce(i.workflow_id, i.invocation_id),
           (select coalesce(p.workflow_id, p.invocation_id) from invocation p
            where p.invocation_id = (select r.parent_id from invocation r
                                     where r.invocation_id = coalesce(i.workflow_id, i.invocation_id))),
           w.began_at, w.paused_at, w.pause_reason, w.forked_from,
           (select count(*)::integer from workflow_step s where s.invocation_id = p_id)
    from invocation i left join workflow w on w.invocation_id = i.invocation_id
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;
