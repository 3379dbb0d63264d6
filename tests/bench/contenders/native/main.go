// The same additive model from its arrays, served by Go's net/http: native PORT MODEL.json
package main

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"sort"
)

type column struct {
	Name   string             `json:"name"`
	Places map[string]float64 `json:"places"`
	Shares map[string]float64 `json:"shares"`
}

type term struct {
	Parts  []int       `json:"parts"`
	Cuts   [][]float64 `json:"cuts"`
	Scores []float64   `json:"flat"`
}

type model struct {
	Columns   []column `json:"columns"`
	Terms     []term   `json:"terms"`
	Intercept float64  `json:"intercept"`
	Slope     float64  `json:"slope"`
	Offset    float64  `json:"offset"`
	Classes   []any    `json:"classes"`
}

func bin(cuts []float64, value float64) int {
	if math.IsNaN(value) {
		return 0
	}
	return 1 + sort.Search(len(cuts), func(place int) bool { return cuts[place] > value })
}

func number(value any) float64 {
	switch one := value.(type) {
	case float64:
		return one
	case bool:
		if one {
			return 1
		}
		return 0
	}
	return math.NaN()
}

func (m *model) row(columns map[string][]any, row int, parts []float64) []float64 {
	for _, each := range m.Columns {
		value := columns[each.Name][row]
		if each.Places == nil {
			parts = append(parts, number(value))
			continue
		}
		word, _ := value.(string)
		place, known := each.Places[word]
		if !known {
			place = math.NaN()
		}
		parts = append(parts, place)
		if each.Shares != nil {
			parts = append(parts, each.Shares[word])
		}
	}
	return parts
}

func (m *model) answer(parts []float64) any {
	total := m.Intercept
	for _, each := range m.Terms {
		place := 0
		for axis, part := range each.Parts {
			place = place*(len(each.Cuts[axis])+2) + bin(each.Cuts[axis], parts[part])
		}
		total += each.Scores[place]
	}
	total = m.Offset + m.Slope*total
	if len(m.Classes) == 0 {
		return total
	}
	if total > 0 {
		return m.Classes[1]
	}
	return m.Classes[0]
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	var served model
	if err := json.Unmarshal(text, &served); err != nil {
		panic(err)
	}
	http.HandleFunc("/predict", func(w http.ResponseWriter, r *http.Request) {
		var columns map[string][]any
		if err := json.NewDecoder(r.Body).Decode(&columns); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		rows := len(columns[served.Columns[0].Name])
		answers := make([]any, rows)
		parts := make([]float64, 0, 32)
		for row := range answers {
			parts = served.row(columns, row, parts[:0])
			answers[row] = served.answer(parts)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"predictions": answers})
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
