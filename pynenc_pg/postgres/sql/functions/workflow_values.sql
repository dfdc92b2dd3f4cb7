-- The data of a workflow, by key.
create or replace function {schema}.workflow_values(p_app text, p_workflow uuid)
returns table (key text, value text) language plpgsql stable {definer} as $$
begin
    return query
    select d.key, d.value::text from workflow_data d
    where d.workflow_id = p_workflow and d.app_id = p_app order by d.key;
end $$;
