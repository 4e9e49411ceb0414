"""The kit of the list pages: paging, tables, filters, actions. It knows no model of Tandem."""
