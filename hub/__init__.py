"""The ground floor: vocabulary, pipeline, store, commands, jobs, settings. Knows no brand and no business."""
