drop table {schema}.workflow_wake;
drop table {schema}.workflow_wait;
drop table {schema}.workflow_data;
drop table {schema}.workflow_step;
drop sequence {schema}.workflow_step_seq;
drop table {schema}.workflow;
